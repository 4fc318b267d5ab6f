package pages

import (
	"strings"
	"testing"
)

func TestNegotiate(t *testing.T) {
	const chrome = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"
	for _, c := range []struct {
		accept string
		want   format
	}{
		{"", asJSON},
		{"*/*", asJSON}, // curl
		{chrome, asHTML},
		{"text/html, application/xhtml+xml, */*", asHTML},                // named beats not named
		{"application/json, text/plain, */*", asJSON},                    // axios
		{"text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", asHTML}, // Java: "*" is passed over
		{"text/html", asHTML},                                            //
		{"TEXT/HTML", asHTML},                                            //
		{"text/html; charset=utf-8", asHTML},                             // parameters are passed over
		{"application/json", asJSON},                                     //
		{"application/json; charset=utf-8", asJSON},                      //
		{"application/problem+json", asJSON},                             //
		{"application/problem+json;q=0.9, text/html;q=0.5", asJSON},      //
		{"text/html;q=0.4, application/problem+json;q=0.9", asJSON},      //
		{"text/html, application/problem+json;q=0.9", asHTML},            //
		{"text/markdown", asMarkdown},                                    //
		{"text/plain", asPlain},                                          //
		{"text/plain, text/markdown", asMarkdown},                        //
		{"text/plain, */*;q=0.5", asPlain},                               //
		{"text/*", asHTML},                                               //
		{"text/*, text/html;q=0", asMarkdown},                            // the narrower range decides
		{"text/*;q=0.3, text/plain;q=0.7", asPlain},                      //
		{"application/*", asJSON},                                        //
		{"application/json;q=0, */*", asHTML},                            // anything but JSON
		{"application/json;q=0.1, text/html;q=0.2", asHTML},              //
		{"application/json;q=0.2, text/html;q=0.1", asJSON},              //
		{"text/html, application/json", asJSON},                          // both alike
		{"text/html;q=0.001, image/png", asHTML},                         //
		{"text/html;q=0", asJSON},                                        // nothing fits
		{"image/png", asJSON},                                            //
		{"text/html;q=2", asJSON}, {"text/html;q=-1", asJSON},            // no weight
		{"text/html;q=NaN", asJSON}, {"text/html;q=x", asJSON}, //
		{"text/html;q=", asJSON},                                               //
		{"html", asJSON}, {"/", asJSON}, {",,;,=", asJSON}, {"*/html", asJSON}, // no ranges
		{`text/html;a="b,c";q=0.5, application/json;q=0.1`, asJSON}, // a comma in quotes: passed over
		{"bad range, text/html", asHTML},
	} {
		if got := negotiate([]string{c.accept}); got != c.want {
			t.Errorf("%q: got %s, want %s", c.accept, contentTypes[got], contentTypes[c.want])
		}
	}
	if got := negotiate(nil); got != asJSON {
		t.Errorf("no field: %s", contentTypes[got])
	}
	if got := negotiate([]string{"application/json;q=0.5", "text/html"}); got != asHTML {
		t.Errorf("two fields: %s", contentTypes[got])
	}
}

// FuzzNegotiate: whatever is sent, some format comes out, and a range that
// names only one gets that one.
func FuzzNegotiate(f *testing.F) {
	f.Add("text/html,*/*;q=0.8")
	f.Add(`text/html;q="0.5"`)
	f.Add("a/b;c=d;q=1e309")
	f.Fuzz(func(t *testing.T, accept string) {
		if got := negotiate([]string{accept}); got >= formats {
			t.Fatalf("%q: format %d", accept, got)
		}
		kind, quality, ok := mediaRange(accept)
		if !ok || quality == 0 || strings.Contains(accept, ",") {
			return
		}
		if got := negotiate([]string{accept}); kind == "text/html" && got != asHTML || kind == "text/plain" && got != asPlain {
			t.Fatalf("%q: %s", accept, contentTypes[got])
		}
	})
}

package pages

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

var info = DevInfo{Issuer: "http://127.0.0.1:4010", Email: "dev@example.com", Password: `correct <horse> "battery" staple`}

func TestDev(t *testing.T) {
	h := Dev(info)
	res := get(t, h, http.MethodGet, "/")
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%s %v", res.Status, res.Header)
	}
	contained(t, res, "; script-src 'self'; connect-src 'self'")
	page := bodyOf(t, get(t, h, http.MethodGet, "/"))
	if strings.Contains(page, "<horse>") {
		t.Error("the password is not escaped")
	}
	for _, text := range []string{info.Issuer, `value="` + info.Email + `"`, `value="` + info.Password + `"`} {
		if !strings.Contains(html.UnescapeString(page), text) {
			t.Errorf("the page lacks %q", text)
		}
	}
	src := regexp.MustCompile(`<script type="module" src="([^"]*)"></script>`).FindStringSubmatch(page)
	if src == nil {
		t.Fatal("the page has no script")
	}
	script := get(t, h, http.MethodGet, src[1])
	if script.StatusCode != http.StatusOK || script.Header.Get("Content-Type") != "text/javascript; charset=utf-8" || script.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("the script: %s %v", script.Status, script.Header)
	}
	if again := get(t, h, http.MethodGet, src[1], "If-None-Match", script.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
		t.Errorf("the script again: %s", again.Status)
	}
}

// TestDevPageAndScriptAgree: every element that the script asks for is there,
// every button has its action, and every field its label.
func TestDevPageAndScriptAgree(t *testing.T) {
	page := bodyOf(t, get(t, Dev(info), http.MethodGet, "/"))
	ids := regexp.MustCompile(`byId\("([^"]*)"\)`).FindAllStringSubmatch(devScript, -1)
	if len(ids) < 10 {
		t.Fatalf("the script names only %d elements", len(ids))
	}
	for _, m := range ids {
		if !strings.Contains(page, `id="`+m[1]+`"`) {
			t.Errorf("the script asks for %q, which is not on the page", m[1])
		}
	}
	list := devScript[strings.Index(devScript, "const actions = {"):]
	list = list[:strings.Index(list, "\n};")]
	buttons := regexp.MustCompile(`data-action="([^"]*)"`).FindAllStringSubmatch(page, -1)
	for _, m := range buttons {
		if !regexp.MustCompile(`\n  ` + m[1] + `[:,]`).MatchString(list) {
			t.Errorf("the button %q does nothing", m[1])
		}
	}
	if got := strings.Count(list, "\n"); got != len(buttons) {
		t.Errorf("%d actions and %d buttons", got, len(buttons))
	}
	for _, m := range regexp.MustCompile(`<(?:input|progress) id="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !strings.Contains(page, `<label for="`+m[1]+`">`) {
			t.Errorf("%q has no label", m[1])
		}
	}
	// What comes from the server is only ever set as text.
	if m := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b`).FindString(devScript); m != "" {
		t.Errorf("the script uses %s", m)
	}
}

func TestDevNamesTheStore(t *testing.T) {
	for store, want := range map[string]string{
		"":                                  `data-command="doorward why"`,
		"sqlite:/home/o'neil/.cache/dev.db": `data-command="doorward why --store 'sqlite:/home/o'\''neil/.cache/dev.db'"`,
	} {
		with := info
		with.Store = store
		page := html.UnescapeString(bodyOf(t, get(t, Dev(with), http.MethodGet, "/")))
		if !strings.Contains(page, want) {
			t.Errorf("store %q: the page lacks %s", store, want)
		}
	}
}

func TestDevRefusesTheRest(t *testing.T) {
	h := Dev(info)
	for _, target := range []string{"/nothing", "/dev/", "/dev/page.css", "/index.html"} {
		if res := get(t, h, http.MethodGet, target); res.StatusCode != http.StatusNotFound ||
			!strings.Contains(bodyOf(t, res), info.Issuer+"/errors/NOT_FOUND") {
			t.Errorf("GET %s: %s", target, res.Status)
		}
	}
	if res := get(t, h, http.MethodPost, "/"); res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST /: %s", res.Status)
	}
}

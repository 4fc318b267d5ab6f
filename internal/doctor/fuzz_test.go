package doctor

import (
	"testing"
)

func FuzzCurl(f *testing.F) {
	f.Add("curl 'https://a.example/x' -H 'Authorization: Bearer a.b.c' \\\n --data-raw $'{\\u0041\\n}'")
	f.Add("curl ^\"https://a.example/^\" ^\n -H ^\"Cookie: a=b^\"")
	f.Fuzz(func(_ *testing.T, text string) {
		if words, err := Words(text); err == nil {
			if r, err := ReadCurl(words); err == nil {
				_ = r.Secrets()
				Diagnose(&Evidence{Now: now, Request: *r})
			}
		}
	})
}

func FuzzHAR(f *testing.F) {
	f.Add([]byte(`{"log":{"creator":{"name":"WebInspector"},"entries":[{"startedDateTime":"2026-11-23T12:00:00Z","request":{"method":"GET","url":"https://a.example/"},"response":{"status":401,"headers":[]}}]}}`))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = ReadHAR(data) })
}

func FuzzToken(f *testing.F) {
	f.Add(sound)
	f.Add("Bearer " + expired + "=")
	f.Fuzz(func(_ *testing.T, text string) {
		Diagnose(&Evidence{Now: now, Request: *TokenAlone(text)})
	})
}

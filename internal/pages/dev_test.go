package pages

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

var info = DevInfo{
	Issuer: "http://127.0.0.1:4010", Email: "dev@example.com", Password: `correct <horse> "battery" staple`,
	Version: "v1.2.3", Why: `doorward why --store 'sqlite:/home/o'\''neil/dev.db'`,
}

func TestDev(t *testing.T) {
	h := Dev(info)
	res := get(t, h, http.MethodGet, "/")
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/html; charset=utf-8" || res.Header.Get("Cache-Control") != "no-cache" {
		t.Fatalf("%s %v", res.Status, res.Header)
	}
	if got := res.Header.Get("Content-Security-Policy"); got != devPolicy || strings.Contains(got, "unsafe") {
		t.Errorf("the policy is %q", got)
	}
	page := bodyOf(t, res)
	for _, inline := range []string{`<style`, `\sstyle="`, `\son[a-z]+="`, `<script>`, `src="https?:`, `<link [^>]*href="https?:`, `<horse>`} {
		if m := regexp.MustCompile(inline).FindString(page); m != "" {
			t.Errorf("the page has %q", m)
		}
	}
	for name, value := range map[string]string{
		"issuer": info.Issuer, "email": info.Email, "password": info.Password, "version": info.Version, "why": info.Why,
	} {
		m := regexp.MustCompile(` data-` + name + `="([^"]*)"`).FindStringSubmatch(page)
		if m == nil || html.UnescapeString(m[1]) != value {
			t.Errorf("data-%s: %q, want %q", name, m, value)
		}
	}
}

// TestDevFiles: the page asks for files that are there, and that are what they
// say.
func TestDevFiles(t *testing.T) {
	h := Dev(info)
	asked := map[string]bool{"/dev/LICENSES.txt": true}
	page := bodyOf(t, get(t, h, http.MethodGet, "/"))
	for _, m := range regexp.MustCompile(`(?:href|src)="(/[^"]*)"`).FindAllStringSubmatch(page, -1) {
		asked[m[1]] = true
	}
	if len(asked) != len(devFiles) {
		t.Errorf("asked for %v, served %v", asked, devFiles)
	}
	for path := range asked {
		res := get(t, h, http.MethodGet, path)
		if res.StatusCode != http.StatusOK || res.Header.Get("X-Content-Type-Options") != "nosniff" || res.Header.Get("Cache-Control") != "no-cache" ||
			res.Header.Get("Content-Type") != devFiles[path].kind || bodyOf(t, res) == "" {
			t.Errorf("%s: %s %v", path, res.Status, res.Header)
		}
		if again := get(t, h, http.MethodGet, path, "If-None-Match", res.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
			t.Errorf("%s again: %s", path, again.Status)
		}
	}
	// What React knows of development only must not be in it.
	if script := bodyOf(t, get(t, h, http.MethodGet, "/dev/demo.js")); strings.Contains(script, "react.development") {
		t.Error("the script is a development build")
	}
}

func TestDevRefusesTheRest(t *testing.T) {
	h := Dev(info)
	for _, target := range []string{"/nothing", "/dev/", "/dev/page.js", "/dev/../bundle.sum", "/index.html"} {
		if res := get(t, h, http.MethodGet, target); res.StatusCode != http.StatusNotFound ||
			!strings.Contains(bodyOf(t, res), info.Issuer+"/errors/NOT_FOUND") {
			t.Errorf("GET %s: %s", target, res.Status)
		}
	}
	if res := get(t, h, http.MethodPost, "/"); res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST /: %s", res.Status)
	}
}

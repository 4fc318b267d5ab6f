package httpapi

import (
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/doorward/doorward/internal/throttle"
)

func TestClientAddr(t *testing.T) {
	a := &API{cfg: Config{TrustedProxies: []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.1/32"),
	}}}
	for _, tc := range []struct {
		name, conn string
		forwarded  []string
		want       string
	}{
		{"no proxy", "203.0.113.9:1234", nil, "203.0.113.9"},
		{"a stranger's word", "203.0.113.9:1234", []string{"198.51.100.1"}, "203.0.113.9"},
		{"a proxy's word", "127.0.0.1:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		{"the last untrusted counts", "127.0.0.1:1", []string{"6.6.6.6, 198.51.100.1, 10.1.1.1"}, "198.51.100.1"},
		{"over several fields", "127.0.0.1:1", []string{"6.6.6.6", "198.51.100.1"}, "198.51.100.1"},
		{"with a port", "127.0.0.1:1", []string{"198.51.100.1:4711"}, "198.51.100.1"},
		{"IPv6 counts by /64", "[2001:db8:1:2:3:4:5:6]:80", nil, "2001:db8:1:2::/64"},
		{"IPv6 in brackets", "127.0.0.1:1", []string{"[2001:db8:1:2::1]:443"}, "2001:db8:1:2::/64"},
		{"IPv4 in IPv6", "[::ffff:203.0.113.9]:80", nil, "203.0.113.9"},
		{"a trusted proxy in IPv6 dress", "[::ffff:127.0.0.1]:80", []string{"198.51.100.1"}, "198.51.100.1"},
		{"nonsense stops at the proxy", "127.0.0.1:1", []string{"198.51.100.1, unknown"}, "127.0.0.1"},
		{"proxies all the way", "127.0.0.1:1", []string{"10.0.0.1, 10.0.0.2"}, "10.0.0.1"},
		{"a proxy that says nothing", "127.0.0.1:1", nil, "127.0.0.1"},
		{"no network", "@", []string{"198.51.100.1"}, "unknown"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tc.conn
		r.Header["X-Forwarded-For"] = tc.forwarded
		if got := throttle.Network(a.clientAddr(r)); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestDevice(t *testing.T) {
	for agent, want := range map[string]string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0": "Edge on Windows",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15":         "Safari on macOS",
		"Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36":                  "Chrome on Android",
		"curl/8.5.0": "curl",
		"":           "Unknown device",
		"<script>":   "Unknown device",
	} {
		if got := device(agent); got != want {
			t.Errorf("%q is %q, want %q", agent, got, want)
		}
	}
}

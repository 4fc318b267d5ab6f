package httpapi

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/throttle"
)

// caller returns what is known of who asks, before they prove anything.
func (a *API) caller(r *http.Request) auth.Caller {
	return auth.Caller{Network: throttle.Network(a.clientAddr(r)), Device: device(r.UserAgent())}
}

// clientAddr returns the address that a request comes from: that of the
// connection, unless it is a configured proxy. Then it is the last address in
// X-Forwarded-For that no configured proxy has; those further left are
// whatever the client wrote.
func (a *API) clientAddr(r *http.Request) netip.Addr {
	conn, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{} // not from a network: all such callers count as one
	}
	addr := conn.Addr().Unmap()
	if !a.trusted(addr) {
		return addr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := parseHop(hops[i])
		if err != nil {
			return addr
		}
		addr = hop
		if !a.trusted(addr) {
			return addr
		}
	}
	return addr
}

// parseHop reads an address with or without a port.
func parseHop(s string) (netip.Addr, error) {
	s = strings.TrimSpace(s)
	if withPort, err := netip.ParseAddrPort(s); err == nil {
		return withPort.Addr().Unmap(), nil
	}
	addr, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return addr.Unmap(), err
}

func (a *API) trusted(addr netip.Addr) bool {
	for _, prefix := range a.cfg.TrustedProxies {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// Markers in a User-Agent, the telling ones first: nearly every browser also
// claims to be the ones further down.
var (
	browsers = [][2]string{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"},
		{"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"}, {"Go-http-client/", "Go program"},
		{"node", "Node.js"}, {"python-", "Python program"}, {"okhttp/", "Android app"}, {"Dart/", "Dart program"},
	}
	systems = [][2]string{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"},
		{"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"},
	}
)

// device names a device as its user would: "Firefox on Linux". It is a hint
// for people, from a field that anybody can fill in; nothing depends on it.
func device(agent string) string {
	browser, system := firstMarker(browsers, agent), firstMarker(systems, agent)
	switch {
	case browser == "" && system == "":
		return "Unknown device"
	case browser == "":
		return system
	case system == "":
		return browser
	default:
		return browser + " on " + system
	}
}

func firstMarker(markers [][2]string, agent string) string {
	for _, m := range markers {
		if strings.Contains(agent, m[0]) {
			return m[1]
		}
	}
	return ""
}

package doorward

import "strings"

// maxReturnURL bounds a return URL, in bytes.
const maxReturnURL = 2048

// ReturnURL returns where to go back to after a sign-in: value where it is a
// path of the own origin, else fallback. It never leads elsewhere: whatever a
// browser or a proxy could take for another host, another scheme or the end of
// a header is refused, however often it is decoded or normalised on the way.
func ReturnURL(value, fallback string) string {
	if isOwnPath(value) {
		return value
	}
	return fallback
}

func isOwnPath(value string) bool {
	if !strings.HasPrefix(value, "/") || len(value) > maxReturnURL {
		return false
	}
	// Browsers drop tabs and line breaks wherever they are, and read \ as /.
	for i := range len(value) {
		if b := value[i]; b <= ' ' || b > '~' || b == '\\' {
			return false
		}
	}
	lower := strings.ToLower(value)
	for _, encoded := range []string{"%0", "%1", "%7f", "%5c"} {
		if strings.Contains(lower, encoded) {
			return false
		}
	}
	path, _, _ := strings.Cut(lower, "?")
	path, _, _ = strings.Cut(path, "#")
	// Two slashes name a host, or do once dots are resolved or the path decoded.
	for _, host := range []string{"//", "/.", "/%2e", "%2f", "%25"} {
		if strings.Contains(path, host) {
			return false
		}
	}
	return true
}

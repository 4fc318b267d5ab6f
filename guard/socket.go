package guard

import (
	"net/http"
	"strings"
)

// SocketProtocol is the WebSocket subprotocol behind which a page names its
// access token: a page can send no Authorization field with the handshake, and
// a URL is no place for a token. The guard reads
//
//	Sec-WebSocket-Protocol: doorward.bearer, <token>
//
// where a handshake (RFC 6455 §4.1) has no Authorization field. The handler's
// answer must choose this protocol, or another that was offered, and never the
// token; most libraries take a list of what to choose from.
const SocketProtocol = "doorward.bearer"

// socketToken returns the token of a WebSocket handshake; empty for none.
func socketToken(r *http.Request) string {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		return ""
	}
	offered := strings.Split(strings.Join(r.Header.Values("Sec-WebSocket-Protocol"), ","), ",")
	for i, protocol := range offered {
		if strings.TrimSpace(protocol) == SocketProtocol && i+1 < len(offered) {
			return strings.TrimSpace(offered[i+1])
		}
	}
	return ""
}

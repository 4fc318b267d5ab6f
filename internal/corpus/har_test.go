package corpus

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A HAR is written down as exchanges and becomes the JSON that a browser would
// have saved:
//
//	@ -3m xhr https://app.shop.example/orders       when, what for, on which page
//	> GET https://api.shop.example/orders
//	> Origin: https://app.shop.example
//	< 401
//	< www-authenticate: Bearer
//	<
//	< {"error":"unauthorized"}
//	! _error "net::ERR_FAILED"                      a member of the entry, or of its response
type exchange struct {
	started  time.Time
	kind     string
	page     string
	request  []string
	response []string
	extra    map[string]json.RawMessage
}

func readExchanges(st *stage, text string) ([]exchange, error) {
	var list []exchange
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		mark, rest := line[:1], strings.TrimPrefix(line[1:], " ")
		if mark == "@" {
			f := strings.Fields(rest)
			if len(f) != 3 {
				return nil, fmt.Errorf("%q: a time, a kind and a page", line)
			}
			t, err := st.at(f[0])
			if err != nil {
				return nil, err
			}
			list = append(list, exchange{started: t, kind: f[1], page: f[2], extra: map[string]json.RawMessage{}})
			continue
		}
		if len(list) == 0 {
			return nil, fmt.Errorf("%q stands before the first exchange", line)
		}
		e := &list[len(list)-1]
		switch mark {
		case ">":
			e.request = append(e.request, rest)
		case "<":
			e.response = append(e.response, rest)
		case "!":
			name, value, _ := strings.Cut(rest, " ")
			if !json.Valid([]byte(value)) {
				return nil, fmt.Errorf("%q is no JSON", value)
			}
			e.extra[name] = json.RawMessage(value)
		default:
			return nil, fmt.Errorf("%q begins with none of @ > < !", line)
		}
	}
	return list, nil
}

type object = map[string]any

// writeHAR writes exchanges as a browser does: "chrome redacted", "chrome full",
// "firefox", "safari". Without a style the text is a HAR already.
func writeHAR(st *stage, style, text string) ([]byte, error) {
	if style == "" {
		return []byte(text), nil
	}
	exchanges, err := readExchanges(st, text)
	if err != nil {
		return nil, err
	}
	log := object{"version": "1.2", "pages": []object{}}
	switch style {
	case "chrome redacted", "chrome full":
		log["creator"] = object{"name": "WebInspector", "version": "537.36"}
	case "firefox":
		log["creator"] = object{"name": "Firefox", "version": "141.0"}
		log["browser"] = object{"name": "Firefox", "version": "141.0"}
	case "safari":
		log["creator"] = object{"name": "WebKit Web Inspector", "version": "1.0"}
	default:
		return nil, fmt.Errorf("there is no browser %q", style)
	}
	var pages []object
	var entries []object
	for i, e := range exchanges {
		entry, err := e.entry(style, i)
		if err != nil {
			return nil, err
		}
		id := slices.IndexFunc(pages, func(p object) bool { return p["title"] == e.page })
		if id < 0 {
			id = len(pages)
			pages = append(pages, object{
				"startedDateTime": stamp(e.started), "id": "page_" + strconv.Itoa(id+1), "title": e.page,
				"pageTimings": object{"onContentLoad": 211.4, "onLoad": 388.1},
			})
		}
		entry["pageref"] = "page_" + strconv.Itoa(id+1)
		entries = append(entries, entry)
	}
	log["pages"], log["entries"] = pages, entries
	return json.MarshalIndent(object{"log": log}, "", "  ")
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// hidden is what Chrome leaves out unless it is asked for sensitive data.
var hidden = []string{"authorization", "cookie", "set-cookie"}

func (e exchange) entry(style string, i int) (object, error) {
	if len(e.request) == 0 || len(e.response) == 0 {
		return nil, fmt.Errorf("exchange %d: a request and an answer", i+1)
	}
	method, where, _ := strings.Cut(e.request[0], " ")
	u, err := url.Parse(where)
	if err != nil {
		return nil, fmt.Errorf("%q is no request line: %w", e.request[0], err)
	}
	reqFields, reqBody := fields(e.request[1:], style)
	resFields, resBody := fields(e.response[1:], style)
	status, err := strconv.Atoi(strings.Fields(e.response[0])[0])
	if err != nil {
		return nil, err
	}
	version := "http/2.0"
	if u.Scheme != "https" {
		version = "HTTP/1.1"
	} else if style == "firefox" {
		version = "HTTP/2"
	}
	if strings.HasPrefix(style, "chrome") && version == "http/2.0" {
		for _, f := range [][2]string{{":authority", u.Host}, {":method", method}, {":path", u.RequestURI()}, {":scheme", u.Scheme}} {
			reqFields = append(reqFields, object{"name": f[0], "value": f[1]})
		}
	}
	query := []object{}
	for name, values := range u.Query() {
		for _, v := range values {
			query = append(query, object{"name": name, "value": v})
		}
	}
	request := object{
		"method": method, "url": where, "httpVersion": version, "headers": reqFields, "queryString": query,
		"cookies": sentCookies(reqFields), "headersSize": -1, "bodySize": len(reqBody),
	}
	if reqBody != "" {
		request["postData"] = object{"mimeType": value(reqFields, "content-type"), "text": reqBody}
	}
	response := object{
		"status": status, "statusText": "", "httpVersion": version, "headers": resFields, "cookies": setCookies(resFields),
		"content":     object{"size": len(resBody), "mimeType": value(resFields, "content-type"), "text": resBody},
		"redirectURL": value(resFields, "location"), "headersSize": -1, "bodySize": -1,
	}
	if version == "HTTP/1.1" {
		response["statusText"] = http.StatusText(status)
	}
	entry := object{
		"startedDateTime": stamp(e.started), "time": 48.2, "request": request, "response": response, "cache": object{},
		"timings": object{"blocked": 2.1, "dns": -1, "ssl": -1, "connect": -1, "send": 0.2, "wait": 44.6, "receive": 1.3},
	}
	switch style {
	case "chrome redacted", "chrome full":
		response["_transferSize"], response["_error"] = 312, nil
		entry["_initiator"] = object{"type": "script", "stack": object{"callFrames": []object{}}}
		entry["_priority"], entry["_resourceType"] = "High", e.kind
		entry["serverIPAddress"], entry["connection"] = "203.0.113.24", "41807"
	case "firefox":
		entry["_securityState"] = map[bool]string{true: "secure", false: "insecure"}[u.Scheme == "https"]
		entry["serverIPAddress"], entry["connection"] = "203.0.113.24", "443"
	case "safari":
		entry["_fetchType"], entry["_priority"] = "Network Load", "high"
	}
	for name, raw := range e.extra {
		if name == "_error" || name == "_transferSize" {
			response[name] = raw
		} else {
			entry[name] = raw
		}
	}
	return entry, nil
}

// fields reads lines up to an empty one as header fields, the rest as a body.
func fields(lines []string, style string) (list []object, body string) {
	list = []object{}
	for i, line := range lines {
		if line == "" {
			return list, strings.Join(lines[i+1:], "\n")
		}
		name, value, _ := strings.Cut(line, ": ")
		if style == "chrome redacted" && slices.Contains(hidden, strings.ToLower(name)) {
			continue
		}
		list = append(list, object{"name": name, "value": value})
	}
	return list, ""
}

func value(list []object, name string) string {
	for _, f := range list {
		if strings.EqualFold(f["name"].(string), name) {
			return f["value"].(string)
		}
	}
	return ""
}

func sentCookies(list []object) []object {
	cookies := []object{}
	for pair := range strings.SplitSeq(value(list, "cookie"), "; ") {
		if name, v, ok := strings.Cut(pair, "="); ok {
			cookies = append(cookies, object{"name": name, "value": v})
		}
	}
	return cookies
}

func setCookies(list []object) []object {
	cookies := []object{}
	for _, f := range list {
		if !strings.EqualFold(f["name"].(string), "set-cookie") {
			continue
		}
		parts := strings.Split(f["value"].(string), ";")
		name, v, _ := strings.Cut(parts[0], "=")
		c := object{"name": name, "value": v}
		for _, p := range parts[1:] {
			attribute, v, _ := strings.Cut(strings.TrimSpace(p), "=")
			switch strings.ToLower(attribute) {
			case "path", "domain", "expires":
				c[strings.ToLower(attribute)] = v
			case "samesite":
				c["sameSite"] = v
			case "httponly":
				c["httpOnly"] = true
			case "secure":
				c["secure"] = true
			}
		}
		cookies = append(cookies, c)
	}
	return cookies
}

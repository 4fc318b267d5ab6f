package doctor

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// inside is what an answer with a status of success says of itself in its body.
type inside uint8

const (
	saysNothing inside = iota
	saysFailed         // it failed, and nothing in it is about identity
	saysRefused        // it failed, and what it says of the reason is about identity
	saysDenied         // it says outright that it is a refusal
)

func (i inside) refuses() bool { return i >= saysRefused }

// insideOf reads a refusal inside a success: that of gRPC and of GraphQL, which
// have a place of their own for it, and that of the many APIs that answer 200
// whatever happens.
func insideOf(a *Answer) inside {
	if a == nil || a.Status < 200 || a.Status > 299 {
		return saysNothing
	}
	if s := a.Get("Grpc-Status"); s == "16" || s == "7" { // UNAUTHENTICATED, PERMISSION_DENIED
		return saysDenied
	}
	doc := object([]byte(strings.TrimSpace(a.Body)))
	if doc == nil {
		return saysNothing
	}
	if graphDenied(doc) {
		return saysDenied
	}
	failed, denied := outcomeOf(doc)
	switch {
	case denied:
		return saysDenied
	case failed && refusing.MatchString(reasons(doc, 0)):
		return saysRefused
	case failed:
		return saysFailed
	}
	return saysNothing
}

// graphDenied reports an error of GraphQL whose code is a refusal.
func graphDenied(doc map[string]any) bool {
	list, _ := doc["errors"].([]any)
	for _, e := range list {
		e, _ := e.(map[string]any)
		ext, _ := e["extensions"].(map[string]any)
		for _, code := range []string{text(ext["code"]), text(ext["classification"]), text(e["errorType"])} {
			switch strings.ToLower(strings.NewReplacer("_", "-", " ", "-").Replace(code)) {
			case "unauthenticated", "forbidden", "invalid-jwt", "access-denied", "unauthorized", "auth-not-authenticated", "auth-not-authorized", "unauthorizedexception", "unauthenticatederror":
				return true
			}
		}
	}
	return false
}

// outcomeOf reads whether a body says that the request failed, and whether it
// says that it was refused.
func outcomeOf(doc map[string]any) (failed, denied bool) {
	for name, v := range doc {
		switch strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(name)) {
		case "ok", "success", "succeeded", "issuccess", "successful", "response":
			if s := strings.ToLower(fmt.Sprint(v)); s == "false" || s == "0" {
				failed = true
			}
		case "status", "stat", "state", "result", "code", "statuscode", "errcode", "errorcode", "httpstatus", "httpcode", "retcode":
			switch s := strings.ToLower(fmt.Sprint(v)); s {
			case "error", "fail", "failed", "failure", "false", "nok", "ko":
				failed = true
			case "401", "403", "unauthorized", "unauthenticated", "forbidden", "denied", "request_denied", "access_denied":
				failed, denied = true, true
			}
		case "error", "errors", "fault", "exception", "errormessage", "errmsg":
			switch v := v.(type) {
			case string:
				failed = failed || v != "" && v != "ok" && v != "none"
			case map[string]any:
				failed = failed || len(v) > 0
			case []any:
				failed = failed || len(v) > 0
			}
		}
	}
	if data, ok := doc["data"].(map[string]any); ok {
		for _, v := range data {
			if v != nil {
				return failed && denied, denied // a part of it is there
			}
		}
	}
	return failed, denied
}

// refusing are the words of a reason that is about identity.
var refusing = regexp.MustCompile(`(?i)\b(un)?auth(enticat|ori[sz]|ed\b|\b)|forbidden|access.?denied|permission|credential|(invalid|expired|revoked|missing|bad|unknown|incorrect|wrong|no|not|inactive)\b.{0,20}\b(token|api key|access key|key|session|signature|sign|password|login)\b|\b(token|api key|access key|session|signature|password)\b.{0,40}(invalid|expired|revoked|missing|required|not |wrong|incorrect)|\bjwt\b|(log|sign)(ged|ed)? ?in\b|account (inactive|suspended|disabled)|missing scope|two factor|\bmfa\b|\b2fa\b|未登录|请先登录|重新登录|认证失败|未授权|无权|(token|令牌|登录|凭证).{0,8}(无效|失效|过期)`)

var reasonNames = regexp.MustCompile(`(?i)^(error|errors|code|msg|message|messages|error_?(message|description|code|type|msg|summary)|err_?msg|reasons?|details?|type|info|title|status|state|stat|description|fault|fault_?string|exception|extensions|classification|name|hint)$`)

// reasons is what a body says of why it failed, its codes spelt out.
func reasons(v any, depth int) string {
	if depth > 4 {
		return ""
	}
	switch v := v.(type) {
	case string:
		return v + "\n" + spelt(v+"\n") + "\n"
	case json.Number:
		if s := v.String(); s == "401" || s == "403" {
			return "unauthorized\n"
		}
	case []any:
		var b strings.Builder
		for _, item := range v[:min(len(v), 20)] {
			b.WriteString(reasons(item, depth+1))
		}
		return b.String()
	case map[string]any:
		var b strings.Builder
		for name, item := range v {
			if reasonNames.MatchString(name) {
				b.WriteString(reasons(item, depth+1))
			}
		}
		return b.String()
	}
	return ""
}

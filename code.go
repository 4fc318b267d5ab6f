package doorward

import "net/http"

// Code names a kind of refusal, fault or bad input in public. The codes are
// the API: clients act on them, and there is one page behind each.
type Code string

// Denials: the request was understood and refused.
const (
	TokenMissing        Code = "TOKEN_MISSING"
	TokenInvalid        Code = "TOKEN_INVALID"
	TokenExpired        Code = "TOKEN_EXPIRED"
	TokenNotActive      Code = "TOKEN_NOT_ACTIVE"
	TokenRevoked        Code = "TOKEN_REVOKED"
	ValidationFailed    Code = "VALIDATION_FAILED"
	InvalidCredentials  Code = "INVALID_CREDENTIALS"
	MFARequired         Code = "MFA_REQUIRED"
	RefreshTokenMissing Code = "REFRESH_TOKEN_MISSING"
	InvalidRefreshToken Code = "INVALID_REFRESH_TOKEN"
	RefreshTokenReused  Code = "REFRESH_TOKEN_REUSED"
	UserInactive        Code = "USER_INACTIVE"
	AccountSuspended    Code = "ACCOUNT_SUSPENDED"
	APIKeyInvalid       Code = "API_KEY_INVALID"
	InsufficientScope   Code = "INSUFFICIENT_SCOPE"
	StepUpRequired      Code = "STEP_UP_REQUIRED"
	CrossOrigin         Code = "CROSS_ORIGIN"
	RateLimited         Code = "RATE_LIMITED"
)

// Bad input: nothing was refused, the request could not be read.
const (
	InvalidRequest       Code = "INVALID_REQUEST"
	NotFound             Code = "NOT_FOUND"
	MethodNotAllowed     Code = "METHOD_NOT_ALLOWED"
	ContentTooLarge      Code = "CONTENT_TOO_LARGE"
	UnsupportedMediaType Code = "UNSUPPORTED_MEDIA_TYPE"
)

// Unavailable says "I do not know": a store or a key set is out of reach. It
// is never a 401, and a client never takes it for the end of a session.
const Unavailable Code = "UNAVAILABLE"

// Recovery is what a client does about a [Code].
type Recovery string

// The recoveries.
const (
	RecoverRenew     Recovery = "renew"      // renew the access token and send once more; without one to renew, sign in
	RecoverSignIn    Recovery = "sign_in"    // the session is over: sign in
	RecoverClock     Recovery = "wait_clock" // wait for the clock, send once more
	RecoverAskAgain  Recovery = "ask_again"  // ask the person for the password again
	RecoverAskFactor Recovery = "ask_factor" // ask the person for the second factor
	RecoverShow      Recovery = "show"       // show it: only an operator can mend it
	RecoverStepUp    Recovery = "step_up"    // ask for a fresher or stronger sign-in
	RecoverWait      Recovery = "wait"       // wait for Retry-After, then send again
	RecoverNone      Recovery = "none"       // nothing a client can do: the request or the set-up is wrong
)

// Class tells refusals from bad input and from faults.
type Class uint8

// The classes of [Code].
const (
	ClassDenial Class = iota // refused: has an id and a private reason
	ClassInput               // could not be read: the answer says all there is
	ClassFault               // not known: has an id and a private reason
)

// CodeInfo is what the table of codes says of one code.
type CodeInfo struct {
	Code     Code
	Status   int      // HTTP status
	Detail   string   // the public sentence
	Error    string   // `error` of the challenge (RFC 6750 §3.1, RFC 9470); empty for none
	Recovery Recovery // what a client does
	Class    Class
}

// Title is the reason phrase of the status, RFC 9457's `title`.
func (i CodeInfo) Title() string { return http.StatusText(i.Status) }

// Challenged reports whether an answer with this code carries a
// WWW-Authenticate field: every 401 does (RFC 9110 §15.5.2), and a 403 for a
// missing scope does too (RFC 6750 §3.1).
func (i CodeInfo) Challenged() bool {
	return i.Status == http.StatusUnauthorized || i.Error != ""
}

// codes is the one table; Codes, Info and the docs are read from it.
var codes = []CodeInfo{
	{TokenMissing, 401, "The request carries no access token", "", RecoverRenew, ClassDenial},
	{TokenInvalid, 401, "The access token is not valid", "invalid_token", RecoverSignIn, ClassDenial},
	{TokenExpired, 401, "The access token has expired", "invalid_token", RecoverRenew, ClassDenial},
	{TokenNotActive, 401, "The access token is not active yet", "invalid_token", RecoverClock, ClassDenial},
	{TokenRevoked, 401, "The session of this access token has ended", "invalid_token", RecoverSignIn, ClassDenial},
	{ValidationFailed, 401, "The access token is not meant for this service", "invalid_token", RecoverNone, ClassDenial},
	{InvalidCredentials, 401, "The email address or the password is wrong", "", RecoverAskAgain, ClassDenial},
	{MFARequired, 401, "A second factor is required", "", RecoverAskFactor, ClassDenial},
	{RefreshTokenMissing, 401, "The request carries no refresh token", "", RecoverSignIn, ClassDenial},
	{InvalidRefreshToken, 403, "The refresh token is not valid", "", RecoverSignIn, ClassDenial},
	{RefreshTokenReused, 403, "The refresh token was already used; its session has been ended", "", RecoverSignIn, ClassDenial},
	{UserInactive, 403, "The account is not active", "", RecoverSignIn, ClassDenial},
	{AccountSuspended, 403, "The account is suspended", "", RecoverShow, ClassDenial},
	{APIKeyInvalid, 401, "The API key is not valid", "invalid_token", RecoverNone, ClassDenial},
	{InsufficientScope, 403, "The request needs a scope that was not granted", "insufficient_scope", RecoverNone, ClassDenial},
	{StepUpRequired, 401, "The request needs a more recent or a stronger sign-in", "insufficient_user_authentication", RecoverStepUp, ClassDenial},
	{CrossOrigin, 403, "The request comes from another origin", "", RecoverNone, ClassDenial},
	{RateLimited, 429, "Too many attempts", "", RecoverWait, ClassDenial},

	{InvalidRequest, 400, "The request is not valid", "", RecoverNone, ClassInput},
	{NotFound, 404, "There is nothing here", "", RecoverNone, ClassInput},
	{MethodNotAllowed, 405, "The method is not allowed here", "", RecoverNone, ClassInput},
	{ContentTooLarge, 413, "The body is too large", "", RecoverNone, ClassInput},
	{UnsupportedMediaType, 415, "The body must be application/json", "", RecoverNone, ClassInput},

	{Unavailable, 503, "The service cannot answer this right now", "", RecoverWait, ClassFault},
}

var codeIndex = func() map[Code]int {
	index := make(map[Code]int, len(codes))
	for i, info := range codes {
		index[info.Code] = i
	}
	return index
}()

// Codes returns the whole table, in the order of the docs.
func Codes() []CodeInfo { return append([]CodeInfo(nil), codes...) }

// Info returns the table's row for c, and false where there is none.
func (c Code) Info() (CodeInfo, bool) {
	i, ok := codeIndex[c]
	if !ok {
		return CodeInfo{}, false
	}
	return codes[i], true
}

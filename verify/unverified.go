package verify

import (
	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/strictjson"
)

// Inspection is what a token says of itself. Anybody can write such a token:
// it is for showing to a person, and never to decide by.
type Inspection struct {
	Header  strictjson.Value // the zero Value where it cannot be read
	Payload strictjson.Value // likewise

	Algorithm string // `alg`, where it is a string
	Type      string // `typ`, where it is a string
	KeyID     string // `kid`, where it is a string

	Claims        Claims // the claims that can be read; the others are zero
	SignatureSize int    // in bytes

	Token doorward.TokenRef
}

// Unverified reads a token WITHOUT checking its signature, its key, its rules
// or its times. It reads as much as it can, also of a token that [Token] would
// refuse; the error is a [*Failure] with the first thing that is wrong with
// the token's form, header, payload or claims.
func Unverified(token string) (Inspection, error) {
	in := Inspection{Token: doorward.TokenRef{Fingerprint: Fingerprint(token)}}
	var first *Failure
	keep := func(f *Failure) bool {
		if first == nil {
			first = f
		}
		return f == nil
	}
	keep(sized(token))
	if p, f := cutParts(token); keep(f) {
		in.readHeader(p.header, keep)
		in.readPayload(p.payload, keep)
		signature, _, f := decodePart(make([]byte, decodedSize(p.signature)), "signature", p.signature)
		keep(f)
		in.SignatureSize = len(signature)
	}
	in.Token.ID, in.Token.Key = cut(in.Claims.TokenID), cut(in.KeyID)
	in.Claims.KeyID, in.Claims.fingerprint = in.KeyID, in.Token.Fingerprint
	if first == nil {
		return in, nil
	}
	first.Token = in.Token
	return in, first
}

func (in *Inspection) readHeader(part string, keep func(*Failure) bool) {
	text, _, f := decodePart(make([]byte, decodedSize(part)), "header", part)
	if !keep(f) {
		return
	}
	h, f := readHeader(text)
	keep(f)
	in.Header, in.KeyID = h.object, h.kid
	in.Algorithm, in.Type = textOf(h.alg), textOf(h.typ)
}

func (in *Inspection) readPayload(part string, keep func(*Failure) bool) {
	text, _, f := decodePart(make([]byte, decodedSize(part)), "payload", part)
	if !keep(f) {
		return
	}
	payload, err := strictjson.ParseObject(text)
	if err != nil {
		keep(payloadFailure(err))
		return
	}
	in.Payload = payload
	keep(in.Claims.read(payload))
}

func textOf(v strictjson.Value) string {
	if v.Kind != strictjson.String {
		return ""
	}
	return v.Text
}

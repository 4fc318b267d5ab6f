package doorward

import (
	"net/http"
	"regexp"
	"slices"
	"testing"
)

func TestCodes(t *testing.T) {
	var file struct {
		Codes []struct {
			Code      Code
			Status    int
			Class     string
			Title     string
			Detail    string
			Recovery  Recovery
			Challenge string
		}
	}
	vectors(t, "denials.json", &file)
	if len(file.Codes) != len(Codes()) {
		t.Fatalf("%d codes in the file, %d in the table", len(file.Codes), len(Codes()))
	}
	class := map[string]Class{"denial": ClassDenial, "input": ClassInput, "fault": ClassFault}
	for i, want := range file.Codes {
		info, ok := want.Code.Info()
		if !ok || info != Codes()[i] {
			t.Fatalf("%s is not the code in row %d", want.Code, i)
		}
		if info.Status != want.Status || info.Class != class[want.Class] || info.Title() != want.Title ||
			info.Detail != want.Detail || info.Recovery != want.Recovery {
			t.Errorf("%+v, want %+v", info, want)
		}
		c, challenged := (&Denial{Code: want.Code}).Challenge(Wire{})
		if challenged != (want.Challenge != "") || challenged && c.String() != want.Challenge {
			t.Errorf("%s has the challenge %s, want %s", want.Code, c, want.Challenge)
		}
	}
}

// The table keeps to the standards, whatever is added to it.
func TestCodesKeepToTheStandards(t *testing.T) {
	var seen []Code
	for _, info := range Codes() {
		if slices.Contains(seen, info.Code) {
			t.Errorf("%s is there twice", info.Code)
		}
		seen = append(seen, info.Code)
		if !regexp.MustCompile(`^[A-Z]+(_[A-Z]+)*$`).MatchString(string(info.Code)) {
			t.Errorf("%s is no code", info.Code)
		}
		if info.Title() == "" || info.Recovery == "" {
			t.Errorf("%s has no title or no recovery", info.Code)
		}
		// RFC 6750 §3: it goes into error_description as it is.
		if !regexp.MustCompile(`^[\x20-\x21\x23-\x5B\x5D-\x7E]+$`).MatchString(info.Detail) {
			t.Errorf("%s has the detail %q", info.Code, info.Detail)
		}
		// RFC 9110 §15.5.2: a 401 is challenged.
		if info.Status == http.StatusUnauthorized && !info.Challenged() {
			t.Errorf("%s is not challenged", info.Code)
		}
		switch info.Class {
		case ClassDenial:
			if info.Status != 401 && info.Status != 403 && info.Status != 429 {
				t.Errorf("%s is a denial with status %d", info.Code, info.Status)
			}
		case ClassInput:
			if info.Status < 400 || info.Status == 401 || info.Status >= 500 || info.Error != "" {
				t.Errorf("%s is bad input with status %d", info.Code, info.Status)
			}
		case ClassFault: // "I do not know" never tells a client to sign in
			if info.Status < 500 || info.Challenged() || info.Recovery != RecoverWait {
				t.Errorf("%s is a fault with status %d and recovery %s", info.Code, info.Status, info.Recovery)
			}
		}
	}
}

func TestCodesCannotBeChanged(t *testing.T) {
	Codes()[0].Status = 200
	if info, ok := TokenMissing.Info(); !ok || info.Status != 401 {
		t.Errorf("%+v, %t", info, ok)
	}
	if info, ok := Code("NO_SUCH_CODE").Info(); ok || info != (CodeInfo{}) {
		t.Errorf("%+v, %t", info, ok)
	}
}

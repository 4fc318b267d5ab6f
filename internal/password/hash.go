package password

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/doorward/doorward/internal/argon2"
)

// Params is what one Argon2id hash costs (RFC 9106 §3.1).
type Params struct {
	Memory      int // in KiB, m
	Time        int // passes over the memory, t
	Parallelism int // lanes, p; computed one after another, so they save no time
}

// DefaultParams is the least that OWASP's password storage guidance takes: 19
// MiB, two passes, one lane.
var DefaultParams = Params{Memory: 19456, Time: 2, Parallelism: 1}

// SaltSize is the length of a salt in bytes (RFC 9106 §3.1).
const SaltSize = 16

const hashSize = 32

// Limits of what one check may cost, ours or imported: about a second of one
// core, and 1 GiB. They keep a hostile import, or a slip in a setting, from
// stopping every other login.
const (
	maxArgon2Memory = 1 << 20 // in KiB
	maxArgon2Work   = 1 << 20 // memory × passes, in KiB
	maxArgon2Lanes  = 64
	maxBcryptCost   = 14
	maxScryptWork   = 1 << 21 // N × r × p; the memory, 128 × N × r bytes, is then at most 256 MiB
	maxPBKDF2Work   = 3 << 20 // iterations × blocks of the hash function
	maxEncoded      = 512     // bytes of an encoded hash
)

// Validate returns an error if p is weaker than every choice in OWASP's
// password storage guidance, or costs more than about a second or 1 GiB.
func (p Params) Validate() error {
	if p.Time < 1 || p.Parallelism < 1 {
		return errors.New("argon2id: passes and parallelism must be at least 1")
	}
	least := [...]int{47104, 19456, 12288, 9216, 7168} // for 1, 2, … passes
	if m := least[min(p.Time, len(least))-1]; p.Memory < m {
		return fmt.Errorf("argon2id: %d KiB is too little memory for %d passes; at least %d", p.Memory, p.Time, m)
	}
	return p.affordable()
}

// affordable checks the upper limits only.
func (p Params) affordable() error {
	switch {
	case p.Parallelism > maxArgon2Lanes:
		return fmt.Errorf("argon2: parallelism over %d", maxArgon2Lanes)
	case p.Memory > maxArgon2Memory:
		return fmt.Errorf("argon2: memory over %d KiB", maxArgon2Memory)
	case p.Time > maxArgon2Work/p.Memory:
		return fmt.Errorf("argon2: memory times passes over %d KiB", maxArgon2Work)
	}
	return nil
}

// Hash returns the Argon2id hash of password in the PHC string format:
//
//	$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA
//
// The salt is SaltSize fresh random bytes. Params that Validate refuses, and a
// salt of another length, panic. It computes for tens of milliseconds.
func Hash(password string, p Params, salt []byte) string {
	if err := p.Validate(); err != nil {
		panic(err)
	}
	if len(salt) != SaltSize {
		panic("password: a salt of another length than SaltSize")
	}
	sum := p.sum(argon2.ID, []byte(norm.NFC.String(password)), salt, hashSize)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.Memory, p.Time, p.Parallelism,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(sum))
}

func (p Params) sum(v argon2.Variant, password, salt []byte, size int) []byte {
	cost := argon2.Cost{Memory: uint32(p.Memory), Time: uint32(p.Time), Lanes: uint32(p.Parallelism)}
	return argon2.Sum(v, password, salt, cost, size)
}

// Encoded is one password hash, ready to be checked. The zero Encoded is none:
// no password matches it, and that is said at once; see [Dummy].
type Encoded struct {
	// A function, because printing one prints an address; fmt follows
	// pointers to a struct, and would show the hash.
	matches func(password []byte) bool
	params  Params // of a hash as Hash makes it; else zero
	sees    int    // how many bytes of a password are looked at; zero for all
}

// scheme is a hash of one kind, read and within the limits.
type scheme interface {
	// matches computes the hash of password and compares, in constant time.
	matches(password []byte) bool
}

// Parse reads a hash in any of these formats, in which m to p stand for
// numbers, and salt and hash for base64, except where the format has them as
// text or hexadecimal:
//
//	$argon2id$v=19$m=m,t=t,p=p$salt$hash   PHC; $argon2i$ too
//	$2b$cost$salthash                      bcrypt; $2a$ and $2y$ too
//	$scrypt$ln=n,r=r,p=p$salt$hash         PHC, passlib
//	scrypt:N:r:p$salt$hash                 Werkzeug
//	scrypt$N$salt$r$p$hash                 Django
//	$pbkdf2-sha256$i=n$salt$hash           PHC; sha512 too, here and below
//	$pbkdf2-sha256$n$salt$hash             passlib
//	pbkdf2:sha256:n$salt$hash              Werkzeug
//	pbkdf2_sha256$n$salt$hash              Django
//	argon2$…, bcrypt$…, bcrypt_sha256$…    Django, before one of the above
//
// A check of what it returns takes at most about a second of one core, and 1
// GiB. Errors say what is wrong and repeat nothing of the hash.
func Parse(encoded string) (Encoded, error) {
	s, err := parse(encoded)
	if err != nil {
		return Encoded{}, fmt.Errorf("password hash: %w", err)
	}
	e := Encoded{matches: s.matches}
	if h, ok := s.(*argon2Hash); ok && h.variant == argon2.ID && len(h.salt) == SaltSize && len(h.sum) == hashSize {
		e.params = h.params
	}
	if h, ok := s.(*bcryptHash); ok && !h.prehash {
		e.sees = bcryptSees
	}
	return e, nil
}

func parse(encoded string) (scheme, error) {
	if len(encoded) > maxEncoded {
		return nil, fmt.Errorf("longer than %d bytes", maxEncoded)
	}
	for _, format := range formats {
		if rest, ok := strings.CutPrefix(encoded, format.prefix); ok {
			return format.parse(rest)
		}
	}
	return nil, errors.New("of no format known here")
}

// formats by what they begin with.
var formats = []struct {
	prefix string
	parse  func(rest string) (scheme, error)
}{
	{"$argon2id$", argon2Parser(argon2.ID)},
	{"$argon2i$", argon2Parser(argon2.I)},
	{"argon2$argon2id$", argon2Parser(argon2.ID)},
	{"argon2$argon2i$", argon2Parser(argon2.I)},
	{"$argon2d$", func(string) (scheme, error) {
		return nil, errors.New("argon2d: not meant for passwords, and not known here")
	}},
	{"$2a$", bcryptParser(false)},
	{"$2b$", bcryptParser(false)},
	{"$2y$", bcryptParser(false)},
	{"$2x$", func(string) (scheme, error) {
		return nil, errors.New("bcrypt: $2x$ marks hashes of a faulty implementation")
	}},
	{"bcrypt$$2b$", bcryptParser(false)},
	{"bcrypt_sha256$$2b$", bcryptParser(true)},
	{"$scrypt$", parseScryptPHC},
	{"scrypt:", parseScryptWerkzeug},
	{"scrypt$", parseScryptDjango},
	{"$pbkdf2-sha256$", pbkdf2Parser(parsePBKDF2PHC, sha256Digest)},
	{"$pbkdf2-sha512$", pbkdf2Parser(parsePBKDF2PHC, sha512Digest)},
	{"pbkdf2:sha256:", pbkdf2Parser(parsePBKDF2Werkzeug, sha256Digest)},
	{"pbkdf2:sha512:", pbkdf2Parser(parsePBKDF2Werkzeug, sha512Digest)},
	{"pbkdf2_sha256$", pbkdf2Parser(parsePBKDF2Django, sha256Digest)},
	{"pbkdf2_sha512$", pbkdf2Parser(parsePBKDF2Django, sha512Digest)},
}

// Verify reports whether password is the one that was hashed. One over
// MaxBytes never is. It computes for as long as the hash was made to take.
func (e Encoded) Verify(password string) bool {
	if e.matches == nil || len(password) > MaxBytes {
		return false
	}
	normal := norm.NFC.String(password)
	if e.matches([]byte(normal)) {
		return true
	}
	// An imported hash was made of the bytes as they were typed.
	return normal != password && e.matches([]byte(password))
}

// Whole reports whether a check of password against e looks at all of it. Of
// more than 72 bytes bcrypt looks at the first 72 only: what matched may not be
// what was set, and must not take its place.
func (e Encoded) Whole(password string) bool {
	return e.sees == 0 || len(password) <= e.sees && len(norm.NFC.String(password)) <= e.sees
}

// Stale reports whether the hash is of any kind or cost other than what [Hash]
// makes with want, and so should be made anew when the password is at hand.
func (e Encoded) Stale(want Params) bool { return e.params != want }

// Dummy returns a hash that no password matches and whose check takes as long
// as that of a hash made with p. It stands in where there is no user or no
// password, so that the time of an answer does not tell.
func Dummy(p Params) Encoded {
	h := &argon2Hash{variant: argon2.ID, params: p, salt: make([]byte, SaltSize), sum: make([]byte, hashSize)}
	return Encoded{params: p, matches: func(password []byte) bool {
		h.matches(password)
		return false
	}}
}

// fields splits s into exactly n parts at "$".
func fields(s string, n int) ([]string, bool) {
	parts := strings.Split(s, "$")
	return parts, len(parts) == n
}

// number reads a decimal number from 1 to most: digits only, no sign, no
// leading zero.
func number(s string, most int) (int, bool) {
	if s == "" || s[0] < '1' || s[0] > '9' { // Atoi would take a sign
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n <= most
}

// numbers reads the parameters of a PHC string, "a=1,b=2": each of names
// exactly once, in any order, and no others. Each is at least 1.
func numbers(s string, names ...string) (map[string]int, bool) {
	const most = 1 << 30
	found := make(map[string]int, len(names))
	for pair := range strings.SplitSeq(s, ",") {
		name, value, _ := strings.Cut(pair, "=")
		n, ok := number(value, most)
		if _, twice := found[name]; twice || !ok {
			return nil, false
		}
		found[name] = n
	}
	for _, name := range names {
		if _, ok := found[name]; !ok {
			return nil, false
		}
	}
	return found, len(found) == len(names)
}

// Lengths of salts and hashes in bytes, of all schemes that leave them open. A
// hash of less than 16 could be met by chance or search.
const (
	maxSalt  = 128
	leastSum = 16
	maxSum   = 128
)

// lengths checks what was decoded before, if err is nil.
func lengths(salt, sum []byte, err error) error {
	switch {
	case err != nil:
		return err
	case len(salt) < 1 || len(salt) > maxSalt:
		return fmt.Errorf("the salt is not of 1 to %d bytes", maxSalt)
	case len(sum) < leastSum || len(sum) > maxSum:
		return fmt.Errorf("the hash is not of %d to %d bytes", leastSum, maxSum)
	}
	return nil
}

// decode64 reads base64. The PHC string format and passlib do not pad, Django
// does; passlib's PBKDF2 has "." for "+".
func decode64(s string) ([]byte, error) {
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.ReplaceAll(s, ".", "+"), "="))
	if err != nil {
		return nil, errors.New("the salt or the hash is not base64")
	}
	return b, nil
}

// decodeHex reads hexadecimal.
func decodeHex(s string) ([]byte, error) {
	b, err := hex.DecodeString(s)
	if err != nil {
		return nil, errors.New("the hash is not hexadecimal")
	}
	return b, nil
}

// decodeBoth reads a salt and a hash in base64.
func decodeBoth(salt64, sum64 string) (salt, sum []byte, err error) {
	salt, err = decode64(salt64)
	if err == nil {
		sum, err = decode64(sum64)
	}
	return salt, sum, err
}

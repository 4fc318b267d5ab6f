package verify_test

import (
	"errors"
	"fmt"

	"github.com/doorward/doorward/verify"
)

var (
	jwks        = keySet().JSON()
	accessToken = es256.good()
	expired     = genuine(claims().with("exp", "1767225550"))
)

func Example() {
	keys, skipped, err := verify.ParseKeySet(jwks)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, reason := range skipped {
		fmt.Println(reason) // keys that cannot be used; the others can
	}
	rules := verify.Rules{
		Issuer:     "https://id.example",
		Audience:   []string{"https://api.example"},
		Algorithms: []verify.Algorithm{verify.ES256},
	}
	claims, err := verify.Token(accessToken, keys, rules, now)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(claims.Subject, claims.Scopes)

	_, err = verify.Token(expired, keys, rules, now)
	var refused *verify.Failure
	if errors.As(err, &refused) {
		fmt.Println(refused.Code) // for the caller
		fmt.Println(refused.Text) // for the operator alone
	}
	// Output:
	// 01KDVXJ4000000000000000USR [notes:read notes:write]
	// TOKEN_EXPIRED
	// expired 50s ago, at 2025-12-31T23:59:10Z
}

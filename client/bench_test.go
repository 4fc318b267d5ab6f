package client_test

import (
	"net/http"
	"testing"

	"github.com/doorward/doorward/client"
	"github.com/doorward/doorward/doorwardtest"
)

// still is a transport that answers at once, so that what is around it shows.
type still struct{}

func (still) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

// BenchmarkRoundTrip is what a call costs beyond its transport, while the token
// is fresh.
func BenchmarkRoundTrip(b *testing.B) {
	auth := doorwardtest.New(b)
	auth.Login(b, "alice")
	network := &swapped{RoundTripper: http.DefaultTransport}
	s, err := client.New(client.Config{Issuer: auth.URL, Transport: network})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := s.Login(b.Context(), "alice@example.com", doorwardtest.Password); err != nil {
		b.Fatal(err)
	}
	network.RoundTripper = still{}

	for name, transport := range map[string]http.RoundTripper{"bare": network, "session": s.Transport()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, auth.URL+"/api", nil)
				if err != nil {
					b.Error(err)
					return
				}
				r.Header.Set("Accept", "application/json")
				for pb.Next() {
					if _, err := transport.RoundTrip(r); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// swapped is a transport that can be replaced.
type swapped struct{ http.RoundTripper }

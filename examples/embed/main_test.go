package main

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"testing"
)

// TestEmbed runs the program: its own route is guarded, and the server's are
// there.
func TestEmbed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, address, filepath.Join(t.TempDir(), "app.db"), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	}()
	for path, want := range map[string]int{"/healthz": 200, "/api/hello": 401, "/auth/me": 401} {
		resp, err := http.Get("http://" + address + path)
		for err != nil {
			select {
			case err := <-ended:
				t.Fatal(err)
			default:
			}
			resp, err = http.Get("http://" + address + path)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

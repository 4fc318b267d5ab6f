package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Limits and timeouts of connections, for whoever serves the handler. None is
// left to a default.
const (
	maxHeaderBytes    = 16<<10 - 4<<10 // net/http adds 4 KiB of its own: 16 KiB in all
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 2 * time.Minute
	drainTimeout      = 20 * time.Second
)

// GCPercent is a setting of the garbage collector (GOGC) for a program that is
// the server and little else. What lives on the heap is a few MiB: at Go's own
// setting, a server that is busy collects it fifty times a second, for a fifth
// of its processor time. This one costs some 12 MiB of memory.
const GCPercent = 400

// Serve answers requests on a listener until ctx ends, then lets those under
// way finish, for 20 seconds at most.
func Serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	srv := &http.Server{
		Handler:           h,
		MaxHeaderBytes:    maxHeaderBytes,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := srv.Shutdown(drain); err != nil {
		return errors.Join(errors.New("server: requests were cut off after the drain"), err, srv.Close())
	}
	return nil
}

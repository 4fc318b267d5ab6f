package httpapi

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/ledger"
)

// Metrics counts what the server does, for Prometheus. No label holds anything
// that a caller sent.
type Metrics struct {
	set    *metrics.Set
	denial map[doorward.Code]*metrics.Counter
	report map[doorward.Code]*metrics.Counter // of denials of guards in other programs
}

// NewMetrics returns an empty set; gauges are read when they are asked for.
func NewMetrics(gauges map[string]func() float64) *Metrics {
	m := &Metrics{set: metrics.NewSet(), denial: make(map[doorward.Code]*metrics.Counter), report: make(map[doorward.Code]*metrics.Counter)}
	for _, info := range doorward.Codes() {
		m.denial[info.Code] = m.set.NewCounter(fmt.Sprintf("doorward_denials_total{code=%q}", info.Code))
		if info.Class != doorward.ClassInput {
			m.report[info.Code] = m.set.NewCounter(fmt.Sprintf("doorward_reported_denials_total{code=%q}", info.Code))
		}
	}
	for name, read := range gauges {
		m.set.NewGauge(name, read)
	}
	return m
}

// ServeHTTP answers in the Prometheus text format.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	m.write(w)
}

func (m *Metrics) write(w io.Writer) {
	m.set.WritePrometheus(w)
	metrics.WriteProcessMetrics(w)
}

func (m *Metrics) denied(code doorward.Code) {
	if counter, ok := m.denial[code]; ok {
		counter.Inc()
	}
}

// reported counts what a guard in another program has told of its denials.
func (m *Metrics) reported(records []ledger.Record, floods []ledger.Flood) {
	for _, r := range records {
		m.report[r.Code].Inc()
	}
	for _, f := range floods {
		m.report[f.Code].AddInt64(f.Count)
	}
}

// routeMetrics are those of one route.
type routeMetrics struct {
	byClass [6]*metrics.Counter // by the first digit of the status
	seconds *metrics.PrometheusHistogram
}

func (m *Metrics) route(pattern string) *routeMetrics {
	rm := &routeMetrics{seconds: m.set.NewPrometheusHistogram(fmt.Sprintf("doorward_request_seconds{route=%q}", pattern))}
	for class := range rm.byClass {
		rm.byClass[class] = m.set.NewCounter(fmt.Sprintf(`doorward_requests_total{route=%q,status="%dxx"}`, pattern, class))
	}
	return rm
}

func (rm *routeMetrics) observe(status int, took time.Duration) {
	rm.byClass[min(max(status/100, 0), 5)].Inc()
	rm.seconds.Update(took.Seconds())
}

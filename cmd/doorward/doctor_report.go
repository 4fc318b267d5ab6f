package main

import (
	"bytes"
	_ "embed"
	"html/template"
	"time"

	"github.com/doorward/doorward/internal/doctor"
	"github.com/doorward/doorward/internal/why"
)

//go:embed doctor_report.html
var reportHTML string

var reportPage = template.Must(template.New("report").Funcs(template.FuncMap{
	"title": doctor.Title, "stamp": why.Stamp, "plain": why.Printable,
}).Parse(reportHTML))

// doctorReport is one page that stands alone, to attach to a ticket.
func doctorReport(now time.Time, d doctor.Diagnosis, findings []doctor.Finding, recorded bool) ([]byte, error) {
	if !recorded {
		findings = []doctor.Finding{{Diagnosis: d}}
	}
	var b bytes.Buffer
	err := reportPage.Execute(&b, struct {
		Now      time.Time
		Findings []doctor.Finding
		Recorded bool
	}{now, findings, recorded})
	return b.Bytes(), err
}

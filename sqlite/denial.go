package sqlite

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/why"
)

const (
	// A record that is there already was written by a try whose outcome the
	// writer did not learn.
	insertDenial = `INSERT INTO denial (id, at, code, user, session, record) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
	upsertFlood  = `INSERT INTO flood (minute, code, count) VALUES (?, ?, ?)
		ON CONFLICT DO UPDATE SET count = count + excluded.count`

	selectDenial = `SELECT record FROM denial WHERE id = ?`
	selectFloods = `SELECT minute, code, count FROM flood WHERE minute = ? ORDER BY code`

	defaultDenials = 100
)

func (t *tx) InsertDenials(records []why.Record, floods []why.Flood) error {
	for _, r := range records {
		r.At = r.At.Truncate(time.Millisecond).UTC()
		record, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("sqlite: denial %s: %w", r.ID, err)
		}
		q := t.prepare(insertDenial).text(r.ID).time(r.At).text(string(r.Code)).
			optionalText(r.Private.User).optionalText(r.Private.Session).text(string(record))
		if err := q.run(); err != nil {
			return err
		}
	}
	for _, f := range floods {
		if err := t.prepare(upsertFlood).time(minute(f.Minute)).text(string(f.Code)).int(f.Count).run(); err != nil {
			return err
		}
	}
	return nil
}

func minute(t time.Time) time.Time { return t.Truncate(time.Minute) }

func (t *tx) Denial(id string) (why.Record, error) {
	record, err := one(t.prepare(selectDenial).text(id), scanRecord)
	if err != nil {
		return why.Record{}, err
	}
	return parseRecord(record)
}

func (t *tx) Denials(query auth.DenialQuery) ([]why.Record, error) {
	where, values := []string{"id > ?"}, []string{query.After}
	for _, c := range []struct{ column, value string }{
		{"session", query.Session}, {"user", query.User}, {"code", query.Code},
	} {
		if c.value != "" {
			where, values = append(where, c.column+" = ?"), append(values, c.value)
		}
	}
	q := t.prepare(`SELECT record FROM denial WHERE ` + strings.Join(where, " AND ") + ` ORDER BY id DESC LIMIT ?`)
	for _, v := range values {
		q.text(v)
	}
	limit := query.Limit
	if limit == 0 {
		limit = defaultDenials
	}
	texts, err := all(q.limit(limit), scanRecord)
	if err != nil {
		return nil, err
	}
	records := make([]why.Record, len(texts))
	for i, text := range texts {
		if records[i], err = parseRecord(text); err != nil {
			return nil, err
		}
	}
	return records, nil
}

func scanRecord(r *stmt) string { return r.textAt(0) }

func parseRecord(text string) (r why.Record, err error) {
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return r, fmt.Errorf("sqlite: a stored denial: %w", err)
	}
	return r, nil
}

func (t *tx) Floods(m time.Time) ([]why.Flood, error) {
	return all(t.prepare(selectFloods).time(minute(m)), func(r *stmt) why.Flood {
		return why.Flood{Minute: r.timeAt(0), Code: doorward.Code(r.textAt(1)), Count: r.intAt(2)}
	})
}

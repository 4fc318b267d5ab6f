package postgres

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/why"
)

const (
	// A record that is there already was written by a try whose outcome the
	// writer did not learn.
	insertDenial = `INSERT INTO doorward.denial (id, at, code, owner, session, record) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`
	upsertFlood  = `INSERT INTO doorward.flood AS f (minute, code, count) VALUES ($1, $2, $3)
		ON CONFLICT (minute, code) DO UPDATE SET count = f.count + excluded.count`

	selectDenial = `SELECT record FROM doorward.denial WHERE id = $1`
	selectFloods = `SELECT minute, code, count FROM doorward.flood WHERE minute = $1 ORDER BY code`

	defaultDenials = 100
)

func (t *tx) InsertDenials(records []why.Record, floods []why.Flood) error {
	b := new(pgx.Batch)
	for _, r := range records {
		r.At = r.At.Truncate(time.Millisecond).UTC()
		record, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("postgres: denial %s: %w", r.ID, err)
		}
		b.Queue(insertDenial, text(r.ID), millis(r.At), text(r.Code), optionalText(r.Private.User), optionalText(r.Private.Session), string(record))
	}
	// In one order, so that nodes which add to the same ones do not wait for each
	// other in a circle.
	floods = slices.SortedFunc(slices.Values(floods), func(a, b why.Flood) int {
		return cmp.Or(a.Minute.Compare(b.Minute), cmp.Compare(a.Code, b.Code))
	})
	for _, f := range floods {
		b.Queue(upsertFlood, millis(minute(f.Minute)), text(f.Code), f.Count)
	}
	if b.Len() == 0 {
		return nil
	}
	_, err := t.run(b)
	return err
}

func minute(t time.Time) time.Time { return t.Truncate(time.Minute) }

func scanRecord(r pgx.CollectableRow) (record why.Record, err error) {
	var stored []byte
	if err := r.Scan(&stored); err != nil {
		return record, err
	}
	if err := json.Unmarshal(stored, &record); err != nil {
		return record, fmt.Errorf("postgres: a stored denial: %w", err)
	}
	return record, nil
}

func (t *tx) Denial(id string) (why.Record, error) { return one(t, scanRecord, selectDenial, text(id)) }

func (t *tx) Denials(query auth.DenialQuery) ([]why.Record, error) {
	n := query.Limit
	if n == 0 {
		n = defaultDenials
	}
	where, values := []string{"id > $2"}, []any{limit(n), text(query.After)}
	for _, c := range []struct{ column, value string }{
		{"session", query.Session}, {"owner", query.User}, {"code", query.Code},
	} {
		if c.value != "" {
			values = append(values, text(c.value))
			where = append(where, fmt.Sprintf("%s = $%d", c.column, len(values)))
		}
	}
	return all(t, scanRecord, `SELECT record FROM doorward.denial WHERE `+strings.Join(where, " AND ")+` ORDER BY id DESC LIMIT $1`, values...)
}

func (t *tx) Floods(m time.Time) ([]why.Flood, error) {
	return all(t, func(r pgx.CollectableRow) (f why.Flood, err error) {
		var at int64
		err = r.Scan(&at, (*string)(&f.Code), &f.Count)
		f.Minute = moment(at)
		return f, err
	}, selectFloods, millis(minute(m)))
}

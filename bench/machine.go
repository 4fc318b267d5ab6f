package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// machine is what the figures depend on most.
type machine struct {
	Go        string  `json:"go"`
	System    string  `json:"system"`
	Processor string  `json:"processor"`
	Cores     int     `json:"cores"`
	SignMicro float64 `json:"signMicroseconds"` // to sign with ES256, by one goroutine: how fast a core is
	SyncMicro float64 `json:"syncMicroseconds"` // to write 4 KiB to a file and wait for the disk
	Others    float64 `json:"others"`           // the share of the cores that others used meanwhile
}

func describeMachine(dir string) machine {
	return machine{
		Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH,
		Processor: processor(), Cores: runtime.NumCPU(), SignMicro: signTime(), SyncMicro: syncTime(dir),
	}
}

func (m machine) String() string {
	return fmt.Sprintf("%s, %s, %d cores of %s\nan ES256 signature takes %s, 4 KiB to the disk %s; other programs used %.0f%% of the cores",
		m.Go, m.System, m.Cores, m.Processor, quantity(m.SignMicro, "µs"), quantity(m.SyncMicro, "µs"), 100*m.Others)
}

// watchOthers returns a function that says what share of the cores was used
// since by anything but the bench. Figures of a machine that others use are of
// little worth.
func watchOthers() func() float64 {
	begun := time.Now()
	all, own, err := machineCPU()
	return func() float64 {
		allNow, ownNow, errNow := machineCPU()
		if err != nil || errNow != nil {
			return 0
		}
		others := (allNow - all) - (ownNow - own)
		return max(0, others.Seconds()/time.Since(begun).Seconds()/float64(runtime.NumCPU()))
	}
}

// signTime measures one signature. Zero where it fails, as nothing can make it
// but a system without randomness.
func signTime() float64 {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return 0
	}
	var took []float64
	for range 1000 {
		begun := time.Now()
		if _, err := ecdsa.SignASN1(rand.Reader, key, make([]byte, 32)); err != nil {
			return 0
		}
		took = append(took, micros(time.Since(begun)))
	}
	return middle(took)
}

// syncTime measures what a durable commit waits for. Zero where it fails: the
// rows that write will say why.
func syncTime(dir string) float64 {
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0
	}
	defer f.Close() //nolint:errcheck // nobody reads it
	page := make([]byte, 4<<10)
	var took []float64
	for range 50 {
		begun := time.Now()
		if _, err := f.WriteAt(page, 0); err != nil {
			return 0
		}
		if err := f.Sync(); err != nil {
			return 0
		}
		took = append(took, micros(time.Since(begun)))
	}
	return middle(took)
}

//go:build !linux

package main

import (
	"errors"
	"time"
)

var errLinuxOnly = errors.New("bench: what a process uses is measured on Linux only")

func ownUsage() (Usage, error) { return Usage{}, errLinuxOnly }

func treeCPU([]int) (time.Duration, error) { return 0, errLinuxOnly }

func machineCPU() (all, own time.Duration, err error) { return 0, 0, errLinuxOnly }

func processor() string { return "" }

//go:build !linux

package hashpool

// lowerPriority does nothing: elsewhere a priority is the whole program's.
func lowerPriority() {}

// Package fleet runs Doorward servers as what they are in a fleet: processes of
// their own on one store, which a test can kill, stop, freeze and cut off. Its
// own tests are those of nodes that come and go.
package fleet

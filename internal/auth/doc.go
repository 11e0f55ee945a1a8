// Package auth says who makes a request: bearer tokens, the members behind
// them, and how many requests they may make in a short time.
//
// # Tokens
//
// A token's text is 256 random bits behind the prefix "tla_"; it is shown once
// and only its SHA-256 is kept. Looking a token up means looking its hash up: an
// attacker who could time the lookup would learn something about a hash that
// they can't steer, and nothing about a token, so no constant-time comparison of
// texts is needed anywhere, and none is done. A slow password hash would add
// nothing either, because there is no dictionary of 256-bit numbers.
//
// # Freshness
//
// Principals are kept in memory together with the configuration version (see
// store.Directory) under which they were read, and a version is a promise: as
// long as storage still has that version, nothing about the principal changed.
// [Authenticator.Authenticate] asks storage for the version on every call.
// [Authenticator.AuthenticateCached] trusts an answer for a moment, for callers
// whose own transaction compares Principal.Version anyway.
//
// What the functions of this package return is shared between requests: a
// *tideline.Principal must not be changed.
package auth

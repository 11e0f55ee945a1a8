// Package auth says who makes a request: bearer tokens, sessions of the pages,
// the members behind them, and how many requests they may make in a short time.
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
// # Sessions
//
// The secrets of sessions and of one-time links are drawn and kept as tokens are.
// Passwords are what people choose, so they are hashed with argon2id, a few at a
// time: many sign-ins at once wait for each other instead of taking all memory.
// A wrong e-mail takes as long as a wrong password, and attempts are limited by
// address and by e-mail. Whoever keeps trying an e-mail can so keep its member
// from signing in; a one-time link lets them in regardless.
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

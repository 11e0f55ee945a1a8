// Package config says what an operator can set, where a value comes from, and
// which values make no sense together.
//
// A value comes from the first of: the flag on the command line, its
// environment variable (TIDELINE_ and the flag's name in capitals, dashes as
// underscores), the configuration file, the default. The structs here carry the
// tags from which flags, environment variables and help are made, so that there
// is one list of settings and one text about each.
package config

// Package telemetry makes the log and the metrics. Nothing here sends anything
// anywhere: the log goes to a writer, metrics wait to be fetched.
package telemetry

// Package httpapi is the public HTTP API, compatible with the TimelinesAI Public
// API, as api/openapi.yaml describes it. It decodes requests, asks the services,
// and writes answers; it decides nothing else.
//
// Routes, models and parameter binding are generated (apigen). What a client
// can see of the rest is decided in one place each: errors.go maps the domain's
// codes to statuses and the envelope, admit.go says who comes in, in which order,
// decode.go and send_decode.go what a body may be, view.go how things look.
//
// # Choices where the contract leaves room
//
//   - A known key given twice is an error of that field: the two could not both
//     be meant, and programs that differ in which one counts would send
//     different messages. Unknown keys are ignored however often they come.
//   - A missing Content-Type is taken for JSON; another one than
//     application/json, or another charset than UTF-8, is a validation_error.
//     JSON sent to the upload, which wants a form, is not_supported.
//   - An unlimited quota shows its total as 2147483647, so that it stays a number
//     and total-used means something to every client.
//   - A method that a path doesn't have is answered before anyone asks for a
//     token, as an unknown path is: neither says anything about a workspace.
//   - Every request that was admitted counts as an API call, whatever it is
//     answered; requests refused for a missing or bad token, for its scope, for
//     their rate or for the quota itself do not.
package httpapi

// Package voice makes voice notes: audio in the form that WhatsApp's phones
// record themselves and play as a recorded message, which is Opus in an Ogg
// container.
//
// Audio that has this form already is passed through byte by byte. Opus in WebM,
// as browsers record it, is repacked. Everything else is converted by ffmpeg, when
// the machine has it. Whoever calls decides
// what a voice note is for; this package knows files, not messages, and imports
// nothing of ours but the domain's errors.
package voice

package config

// Voice are the settings of voice notes, which the server and the doctor share.
type Voice struct {
	FFmpeg string `name:"ffmpeg" placeholder:"PATH" help:"The ffmpeg program, which converts audio to voice notes. Default: ffmpeg on PATH; without one only Opus in Ogg can be sent as a voice note."`
}

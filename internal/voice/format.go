package voice

import (
	"mime"
	"path"
	"strings"
)

// declaration is what the sender of a file said about it.
type declaration struct{ name, mimeType string }

// audio reports whether the sender called the file audio.
func (d declaration) audio() bool {
	switch strings.ToLower(path.Ext(d.name)) {
	case ".m4a", ".m4b", ".weba", ".oga", ".opus":
		return true
	}
	return strings.HasPrefix(strings.ToLower(d.mimeType), "audio/")
}

// formatOf gives ffmpeg's name for the format of a file that looks like found;
// "" when it is not audio. ffmpeg is always told the format: left to guess, it
// also reads playlists, which name other files of this machine.
func formatOf(found string, d declaration) string {
	switch plainType(found) {
	case "audio/mpeg":
		return "mp3"
	case "audio/ogg", "application/ogg":
		return "ogg"
	case "audio/wav":
		return "wav"
	case "audio/aac":
		return "aac"
	case "audio/flac":
		return "flac"
	case "audio/amr":
		return "amr"
	case "audio/x-m4a", "audio/mp4":
		return "mov"
	// These hold films or sound alike, and browsers record sound in them.
	case "video/mp4":
		if d.audio() {
			return "mov"
		}
	case "audio/webm", "video/webm":
		if d.audio() {
			return "matroska"
		}
	}
	return ""
}

// plainType is a media type without its parameters.
func plainType(s string) string {
	if t, _, err := mime.ParseMediaType(s); err == nil {
		return t
	}
	return s
}

package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
)

// SendToChat sends a message to a chat, from the account that the chat belongs
// to; m needs no Phone. Otherwise as Send.
func (c *Client) SendToChat(ctx context.Context, chatID int64, m Message) (Sent, error) {
	return c.send(ctx, chatPath(chatID, "/messages"), m.IdempotencyKey, m)
}

// SendToJID sends a message to a contact or a group; m needs no Phone. Otherwise
// as Send.
func (c *Client) SendToJID(ctx context.Context, jid string, m Message) (Sent, error) {
	return c.send(ctx, "/messages/to_jid", m.IdempotencyKey, struct {
		Message
		JID string `json:"jid"`
	}{m, jid})
}

// SendToName sends a message to the chat that has exactly this name; m needs no
// Phone, and its ChatName means nothing. Otherwise as Send.
func (c *Client) SendToName(ctx context.Context, name string, m Message) (Sent, error) {
	m.ChatName = name
	return c.send(ctx, "/messages/to_chat_name", m.IdempotencyKey, m)
}

// send posts the body of a send.
func (c *Client) send(ctx context.Context, path, key string, body any) (Sent, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return Sent{}, fmt.Errorf("encode message: %w", err)
	}
	var answer sentAnswer
	header, err := c.do(ctx, call{
		method: http.MethodPost, path: path, body: raw, contentType: "application/json",
		idempotencyKey: key, repeatable: key != "",
	}, &answer)
	return answer.sent(header), err
}

// Recording is audio to be sent as a voice note.
type Recording struct {
	Name string    // of the file
	File io.Reader // Opus in Ogg; or other audio, such as MP3, when the server can convert it

	// IdempotencyKey is as that of Message; the client repeats nothing by itself,
	// since File can be read once.
	IdempotencyKey string
}

// SendVoice sends a recording to a chat as a voice note, streaming it.
func (c *Client) SendVoice(ctx context.Context, chatID int64, r Recording) (Sent, error) {
	var answer sentAnswer
	header, err := c.doForm(ctx, call{
		method: http.MethodPost, path: chatPath(chatID, "/voice_message"), idempotencyKey: r.IdempotencyKey,
	}, form{name: r.Name, file: r.File}, &answer)
	return answer.sent(header), err
}

// Document is a file to be sent as a document, unchanged, whatever it is.
type Document struct {
	Name        string
	ContentType string // "" = the server tells it from the bytes
	Caption     string // at most 2000 characters; "" = none
	File        io.Reader

	// IdempotencyKey is as that of Message; the client repeats nothing by itself,
	// since File can be read once.
	IdempotencyKey string
}

// SendDocument sends a file to a chat as a document, streaming it.
func (c *Client) SendDocument(ctx context.Context, chatID int64, d Document) (Sent, error) {
	var answer sentAnswer
	header, err := c.doForm(ctx, call{
		method: http.MethodPost, path: chatPath(chatID, "/file_message"), idempotencyKey: d.IdempotencyKey,
	}, form{name: d.Name, contentType: d.ContentType, caption: d.Caption, file: d.File}, &answer)
	return answer.sent(header), err
}

// sentAnswer is what the API answers to a send.
type sentAnswer struct {
	MessageUID string `json:"message_uid"`
}

func (a sentAnswer) sent(header http.Header) Sent {
	return Sent{MessageUID: a.MessageUID, Replayed: header.Get("Idempotent-Replay") == "true"}
}

// form is a file with what describes it; empty fields are left out.
type form struct {
	name, contentType, caption string
	file                       io.Reader
}

// doForm makes a call with a form as its body, once, streaming the file.
func (c *Client) doForm(ctx context.Context, call call, f form, into any) (http.Header, error) {
	pr, pw := io.Pipe()
	w := multipart.NewWriter(pw)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = pw.CloseWithError(f.write(w)) // documented to be nil
	}()
	call.stream, call.contentType = pr, w.FormDataContentType()
	header, err := c.do(ctx, call, into)
	// The server may refuse before it has read all: let the writer go, and let go
	// of the file only when it has.
	_ = pr.Close() // documented to be nil
	<-done
	return header, err
}

func (f *form) write(w *multipart.Writer) error {
	for _, field := range [...]struct{ name, value string }{{"content_type", f.contentType}, {"caption", f.caption}} {
		if field.value == "" {
			continue
		}
		if err := w.WriteField(field.name, field.value); err != nil {
			return err
		}
	}
	part, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {multipart.FileContentDisposition("file", f.name)},
		"Content-Type":        {"application/octet-stream"},
	})
	if err != nil {
		return err
	}
	if _, err := io.Copy(part, f.file); err != nil {
		return err
	}
	return w.Close()
}

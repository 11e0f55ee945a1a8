package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/tidelinehq/tideline/client"
)

type chatCmd struct {
	List     chatListCmd     `cmd:"" help:"List chats, those with the latest messages first."`
	Messages chatMessagesCmd `cmd:"" help:"Show the latest messages of a chat."`
}

type chatListCmd struct {
	Name        []string `placeholder:"PART" help:"Only chats with this in their name; may be given several times."`
	Phone       string   `placeholder:"DIGITS" help:"Only chats with this in the contact's number; with + before it: all of the number."`
	Label       []string `placeholder:"LABEL" help:"Only chats with this label; may be given several times."`
	Responsible []string `placeholder:"EMAIL" help:"Only chats that this member is responsible for; may be given several times."`
	Unread      bool     `help:"Only chats with something unread."`
	Page        int      `default:"1" help:"Which page, of 50 chats each."`
	apiFlags
}

// Help implements kong.HelpProvider.
func (chatListCmd) Help() string {
	return `Lists chats with their ids, which tideline send --to-chat takes. It asks the running server: with a token for what its member may see, without one as the workspace's owner.

    tideline chat list --name ana
    tideline chat list --unread --label vip`
}

// Run lists chats.
func (c *chatListCmd) Run(ctx context.Context, a *app) error {
	f := client.ChatFilter{Names: c.Name, Phone: c.Phone, Labels: c.Label, Responsible: c.Responsible, Page: c.Page}
	if c.Unread {
		f.Read = new(false)
	}
	return c.askAsOwner(ctx, a, "tideline chat", func(api *client.Client) error {
		chats, more, err := api.Chats(ctx, f)
		if err != nil {
			return err
		}
		return a.show(chats, func(w io.Writer) {
			rows := make([][]string, len(chats))
			for i := range chats {
				at := &chats[i]
				rows[i] = []string{fmt.Sprint(at.ID), at.Name, at.Phone, strings.Join(at.Labels, ","), at.ResponsibleEmail, apiTime(at.LastMessageAt)}
			}
			table(w, []string{"ID", "NAME", "PHONE", "LABELS", "RESPONSIBLE", "LAST MESSAGE"}, rows)
			if more {
				fmt.Fprintf(w, "There are more: --page %d\n", c.Page+1)
			}
		})
	})
}

type chatMessagesCmd struct {
	ID   int64 `arg:"" help:"The chat, from tideline chat list."`
	Page int   `default:"1" help:"Which page; the first has the latest messages."`
	apiFlags
}

// Help implements kong.HelpProvider.
func (chatMessagesCmd) Help() string {
	return `Shows a page of a chat's messages, the latest last. It asks the running server, as tideline chat list does.

    tideline chat messages 12`
}

// Run shows messages.
func (c *chatMessagesCmd) Run(ctx context.Context, a *app) error {
	return c.askAsOwner(ctx, a, "tideline chat", func(api *client.Client) error {
		messages, more, err := api.ChatMessages(ctx, c.ID, client.MessageFilter{Page: c.Page})
		if err != nil {
			return err
		}
		return a.show(messages, func(w io.Writer) {
			if more {
				fmt.Fprintf(w, "There are older ones: --page %d\n", c.Page+1)
			}
			for i := range messages {
				m := &messages[len(messages)-1-i]
				text := m.Text
				if m.HasAttachment {
					text = strings.TrimSpace("[" + m.AttachmentFilename + "] " + text)
				}
				fmt.Fprintf(w, "%s  %s  %s: %s\n", apiTime(m.Timestamp), m.Status, m.SenderName, text)
			}
		})
	})
}

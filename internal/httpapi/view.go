package httpapi

import (
	"time"

	"github.com/tidelinehq/tideline/internal/httpapi/apigen"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// timestampLayout is how the API writes times, in the workspace's zone.
const timestampLayout = "2006-01-02 15:04:05 -0700"

// unlimitedTotal stands for "no limit": the largest number that fits the 32-bit
// integers that some clients decode into.
const unlimitedTotal = 1<<31 - 1

func timestamp(t time.Time, loc *time.Location) string { return t.In(loc).Format(timestampLayout) }

// optional gives nil for "".
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// statusHistory shows what became of a message. Waiting in the queue is where
// every message begins and nothing that became of it.
func statusHistory(changes []tideline.StatusChange, loc *time.Location) []apigen.StatusHistoryRecord {
	records := []apigen.StatusHistoryRecord{}
	for _, c := range changes {
		if c.Status == tideline.StatusPending {
			continue
		}
		r := apigen.StatusHistoryRecord{Status: apigen.MessageStatus(c.Status), Timestamp: timestamp(c.At, loc)}
		if c.Reason != "" {
			r.FailureReason = &apigen.FailureReason{Code: apigen.Empty, Title: c.Reason.Text(), Details: string(c.Reason)}
		}
		records = append(records, r)
	}
	return records
}

func fileInfo(f *tideline.File, loc *time.Location, link string) apigen.FileInfo {
	return apigen.FileInfo{
		Uid:                  f.UID,
		Filename:             f.Name,
		Size:                 f.Size,
		Mimetype:             f.MIMEType,
		UploadedByEmail:      f.UploadedBy,
		UploadedAt:           timestamp(f.UploadedAt, loc),
		TemporaryDownloadUrl: link,
	}
}

func whatsappAccount(a *tideline.Account, loc *time.Location) apigen.WhatsappAccount {
	connected := a.ConnectedOn
	if connected.IsZero() {
		connected = a.CreatedAt
	}
	return apigen.WhatsappAccount{
		Id:          string(a.JID),
		Phone:       string(a.Phone),
		ConnectedOn: timestamp(connected, loc),
		Status:      apigen.WhatsappAccountStatus(a.State.Public()),
		OwnerName:   a.OwnerName,
		OwnerEmail:  a.OwnerEmail,
		AccountName: a.Name,
	}
}

func messagingQuota(b *tideline.Balance, loc *time.Location) apigen.Quota {
	return quota(int64(b.Granted), int64(b.Used), b.PeriodStart, b.PeriodEnd, loc)
}

func callQuota(limit int64, u Usage, loc *time.Location) apigen.Quota {
	return quota(limit, u.Calls, u.Start, u.End, loc)
}

// quota shows a limit; a negative one is none.
func quota(total, used int64, start, end time.Time, loc *time.Location) apigen.Quota {
	if total < 0 {
		total = unlimitedTotal
	}
	return apigen.Quota{Total: total, Used: max(0, used), PeriodStart: timestamp(start, loc), PeriodEnd: timestamp(end, loc)}
}

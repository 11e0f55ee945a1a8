package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tidelinehq/tideline/client"
	"github.com/tidelinehq/tideline/internal/testenv/fakes3"
)

// TestABackupTakesFilesFromS3AndPutsThemWhereItIsTold: into a data folder, into
// another place in a bucket, or nowhere; the restored server looks for them there.
func TestABackupTakesFilesFromS3AndPutsThemWhereItIsTold(t *testing.T) {
	t.Parallel()
	service := fakes3.Start(t)
	s := newSandbox(t)
	srv := s.start(t, inBucket(service)...)
	data, sum := noise(1, 300_000)
	uid := srv.keepUpload(t, "kept.bin", data)
	backups := t.TempDir()
	file, without := filepath.Join(backups, "all.tar"), filepath.Join(backups, "without.tar")
	flags := s3Flags(service)
	made := query[backedUp](t, s, append([]string{"backup", file, "--verify"}, flags...)...)
	if made.Files == 0 || len(made.LostFiles) > 0 {
		t.Errorf("the backup: %+v", made)
	}
	if made := query[backedUp](t, s, "backup", without, "--no-files", "--verify"); made.Files != 0 || len(made.LostFiles) > 0 {
		t.Errorf("the backup without files: %+v", made)
	}
	if r := s.run(t, append([]string{"backup", filepath.Join(backups, "wrong.tar"), "--files", "s3://" + fakes3.Bucket + "/other"}, flags...)...); r.code == 0 || !strings.Contains(r.notes, "files are kept in") {
		t.Errorf("a backup of another place: exit code %d, %s", r.code, r.notes)
	}
	srv.stop(t)

	elsewhere := "s3://" + fakes3.Bucket + "/restored"
	wrong := slices.Clone(flags)
	wrong[3] = "eu-north-1"
	refused := site{dir: filepath.Join(t.TempDir(), "refused"), sandbox: true}
	if r := refused.run(t, append([]string{"restore", file, "--files", elsewhere}, wrong...)...); r.code == 0 || !strings.Contains(r.notes, "nothing was touched") {
		t.Errorf("a restore to a bucket elsewhere: exit code %d, %s", r.code, r.notes)
	}
	if _, err := os.Stat(refused.dir); err == nil {
		t.Error("a refused restore made a data folder")
	}
	for _, way := range []struct {
		name    string
		from    string
		restore []string // flags
		serve   []string
	}{
		{name: "into the data folder", from: file},
		{name: "into a bucket", from: file, restore: append([]string{"--files", elsewhere}, flags...), serve: flags},
		{name: "without files", from: without, serve: flags},
	} {
		to := site{dir: filepath.Join(t.TempDir(), "restored"), sandbox: true}
		to.must(t, append([]string{"restore", way.from}, way.restore...)...)
		to.liveOn(t, s)
		srv := to.start(t, way.serve...)
		srv.addPhone(t, quiet)
		srv.send(t, client.Message{Phone: quiet, Text: way.name, FileUID: uid})
		srv.awaitDocument(t, quiet, way.name, sum)
		srv.stop(t)
		if checked := query[struct{ Files, Missing int64 }](t, to, append([]string{"files", "check"}, way.serve...)...); checked.Files == 0 || checked.Missing > 0 {
			t.Errorf("%s: files check %+v", way.name, checked)
		}
	}
}

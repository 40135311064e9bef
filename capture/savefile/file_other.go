//go:build !unix

package savefile

import "io/fs"

const noFollow = 0

func ownerOf(fs.FileInfo) (uid int, known bool) { return 0, false }

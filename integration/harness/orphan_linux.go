package harness

import (
	"os/exec"
	"syscall"
)

// EndWithParent has a process end with the test, also where that dies of its timeout and cleans nothing up.
func EndWithParent(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}

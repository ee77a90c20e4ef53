package harness

import (
	"os/exec"
	"syscall"
)

// EndWithParent makes the kernel kill the process when the test process ends, even when a timeout of the test prevents its cleanup.
func EndWithParent(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}

package config

import (
	"fmt"
	"regexp"
	"strings"

	"rollcall/services/check"
)

// APIEnv is the environment variable with the address of the API server, for the client commands. It sets no key of the configuration.
const APIEnv = envPrefix + "API"

// checkVariables adds an error for each variable that begins with ROLLCALL_ and sets no key. Without the error, nobody would notice a
// misspelled name.
func checkVariables(p *check.Fields, environ []string) {
	known := map[string]bool{APIEnv: true}
	for _, k := range Keys() {
		known[k.Env()] = true
	}
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, envPrefix) || known[name] || isKubernetes(name, value) {
			continue
		}
		p.Add(fmt.Errorf("environment: unknown variable %s%s", name, nearestVariable(name)))
	}
}

// Kubernetes sets these variables in each container for each Service of the namespace. If the Service is named rollcall or rollcall-…, the
// variables begin with ROLLCALL_, as the variables of rollcall do. ROLLCALL_…_PORT is a variable of Kubernetes only if its value is a URL
// such as tcp://10.0.0.1:4180.
var (
	serviceVariable = regexp.MustCompile(`^ROLLCALL_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)
	linkVariable    = regexp.MustCompile(`^ROLLCALL_([A-Z0-9_]+_)?PORT$`)
	linkValue       = regexp.MustCompile(`^(tcp|udp|sctp)://`)
)

func isKubernetes(name, value string) bool {
	return serviceVariable.MatchString(name) || linkVariable.MatchString(name) && linkValue.MatchString(value)
}

func nearestVariable(name string) string {
	variables := []string{APIEnv}
	for _, k := range Keys() {
		if strings.HasPrefix(k.Env(), name+"_") {
			return ": it is a section with the variable " + k.Env() + " and others"
		}
		variables = append(variables, k.Env())
	}
	variable := nearest(name, variables)
	if variable == "" {
		return ""
	}
	return ", did you mean " + variable + "?"
}

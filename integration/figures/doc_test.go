// Package figures holds the benchmarks of the whole system.
package figures

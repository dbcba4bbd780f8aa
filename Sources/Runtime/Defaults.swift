/// Version of this source tree.
package let motorHandVersion = "0.1.0"

/// Where the daemon listens unless told otherwise: the service's runtime directory.
package let defaultSocketPath = "/run/motorhand/control.sock"

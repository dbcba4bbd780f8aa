/// Version of this source tree.
package let motorHandVersion = "0.1.0"

import CRealtime
import Glibc

/// One thing a real-time loop needs of the machine: what was found, what is wanted, and how to get it.
package struct PrivilegeFinding: Sendable, Equatable {
  /// How bad it is.
  package enum Status: String, Sendable {
    /// As wanted.
    case met
    /// Wanted by the loop and not there.
    case missing
    /// The loop works, but its tail latency would be better with it.
    case advised
    /// The kernel does not tell.
    case unknown
  }

  /// Short name, stable for programs: `sched-fifo`, `memory-lock`, `cpu-dma-latency`, `preempt-rt`,
  /// `rt-throttling`, `cpu-governor`, `isolated-cpus`.
  package let subject: String
  /// Subject that the daemon looks up by name.
  package static let memoryLock = "memory-lock"
  /// Subject that the daemon looks up by name.
  package static let cpuLatency = "cpu-dma-latency"
  package let status: Status
  /// In words, with the unit.
  package let found: String
  /// In words, with the unit.
  package let wanted: String
  /// What to do; empty when nothing is to be done.
  package let remedy: String
}

/// What this machine and user give to a real-time loop.
package struct RealtimePrivileges: Sendable, Equatable {
  package let findings: [PrivilegeFinding]

  /// Whether nothing that the loop needs is missing.
  package var isReady: Bool { !findings.contains { $0.status == .missing } }

  /// Examines the process as it is: tries what can be tried without effect, and reads the rest.
  package static func probe() -> RealtimePrivileges {
    let capabilities = Capabilities.ofThisThread()
    return RealtimePrivileges(findings: [
      scheduling(capabilities), memoryLock(capabilities), cpuLatency(),
      preemption(), throttling(), governor(), isolation(),
    ])
  }

  /// A paragraph a finding, for people.
  package var text: String {
    findings.map { finding in
      var lines = "\(finding.status.rawValue): \(finding.subject)\n  found: \(finding.found)\n"
      lines += "  wanted: \(finding.wanted)\n"
      if !finding.remedy.isEmpty { lines += "  how: \(finding.remedy)\n" }
      return lines
    }.joined()
  }
}

extension RealtimePrivileges {
  private static func scheduling(_ capabilities: Capabilities) -> PrivilegeFinding {
    // A control group without real-time bandwidth refuses too, whatever limit and capability allow.
    // Only trying tells.
    let isAllowed: Bool
    do throws(RealtimeThreadError) {
      try RealtimeThread(name: "privilege", policy: .fifo(priority: SchedulingPolicy.loopPriority), body: {})
        .join()
      isAllowed = true
    } catch {
      isAllowed = false
    }
    let limit = softLimit(Int32(crealtime_limit_priority)).map(String.init) ?? "unreadable"
    let capability = capabilities.contains(.niceness) ? "CAP_SYS_NICE" : "no CAP_SYS_NICE"
    return PrivilegeFinding(
      subject: "sched-fifo", status: isAllowed ? .met : .missing,
      found:
        "SCHED_FIFO \(SchedulingPolicy.loopPriority) \(isAllowed ? "granted" : "refused") (RLIMIT_RTPRIO \(limit), \(capability))",
      wanted: "SCHED_FIFO \(SchedulingPolicy.loopPriority) for the loop thread",
      remedy: isAllowed
        ? ""
        : "systemd unit: LimitRTPRIO=90 (or AmbientCapabilities=CAP_SYS_NICE); login user: the line "
          + "'@realtime - rtprio 90' in /etc/security/limits.d/motorhand.conf and membership of group realtime"
    )
  }

  private static func memoryLock(_ capabilities: Capabilities) -> PrivilegeFinding {
    let limit = softLimit(Int32(crealtime_limit_memory))
    let isAllowed = limit == .max || capabilities.contains(.lockMemory)
    let limitText = limit.map { $0 == .max ? "unlimited" : "\($0) bytes" } ?? "unreadable"
    return PrivilegeFinding(
      subject: PrivilegeFinding.memoryLock, status: isAllowed ? .met : .missing,
      found: "RLIMIT_MEMLOCK \(limitText), "
        + (capabilities.contains(.lockMemory) ? "CAP_IPC_LOCK" : "no CAP_IPC_LOCK"),
      wanted: "all memory locked, present and future",
      remedy: isAllowed
        ? ""
        : "systemd unit: LimitMEMLOCK=infinity; login user: the line '@realtime - memlock unlimited' in "
          + "/etc/security/limits.d/motorhand.conf")
  }

  private static func cpuLatency() -> PrivilegeFinding {
    let path = CPULatencyRequest.devicePath
    let wanted = "\(path) held open with 0"
    do throws(CPULatencyError) {
      _ = try CPULatencyRequest()
      return PrivilegeFinding(
        subject: PrivilegeFinding.cpuLatency, status: .met, found: "\(path) accepts a request",
        wanted: wanted,
        remedy: "")
    } catch {
      switch error {
      case .open(.noSuchFileOrDirectory):
        return PrivilegeFinding(
          subject: PrivilegeFinding.cpuLatency, status: .advised, found: "no \(path)", wanted: wanted,
          remedy: "kernel with CONFIG_CPU_IDLE and CONFIG_PM, or the kernel parameter cpuidle.off=1")
      case .open(let code), .write(let code):
        return PrivilegeFinding(
          subject: PrivilegeFinding.cpuLatency, status: .missing,
          found: "\(path): \(code)",
          wanted: wanted,
          remedy: "udev rule KERNEL==\"cpu_dma_latency\", GROUP=\"realtime\", MODE=\"0660\" in "
            + "/etc/udev/rules.d/60-motorhand-latency.rules; systemd unit: SupplementaryGroups=realtime and, "
            + "with DevicePolicy=closed, DeviceAllow=\(path) rw")
      }
    }
  }

  private static func preemption() -> PrivilegeFinding {
    // Up to 6.11 the real-time patch had the file; since 6.12 only the version string tells.
    let version = SystemFile.readLine("/proc/sys/kernel/version")
    let isRealtime =
      SystemFile.readLine("/sys/kernel/realtime") == "1"
      || version?.contains("PREEMPT_RT") == true || version?.contains("PREEMPT RT") == true
    let release = SystemFile.readLine("/proc/sys/kernel/osrelease") ?? "unknown release"
    return PrivilegeFinding(
      subject: "preempt-rt", status: version == nil ? .unknown : isRealtime ? .met : .advised,
      found: "\(release) \(version ?? "unknown version")", wanted: "a kernel with PREEMPT_RT",
      remedy: isRealtime ? "" : "install a real-time kernel: package linux-image-rt-amd64 or -arm64 on Debian"
    )
  }

  private static func throttling() -> PrivilegeFinding {
    let wanted = "a bound below the period, so that a runaway loop cannot freeze the board, of at least half"
    guard let runtime = SystemFile.readLine("/proc/sys/kernel/sched_rt_runtime_us").flatMap({ Int($0) }),
      let period = SystemFile.readLine("/proc/sys/kernel/sched_rt_period_us").flatMap({ Int($0) }), period > 0
    else {
      return PrivilegeFinding(
        subject: "rt-throttling", status: .unknown, found: "unreadable", wanted: wanted, remedy: "")
    }
    let isGood = runtime < period && runtime >= period / 2
    return PrivilegeFinding(
      subject: "rt-throttling", status: isGood ? .met : .advised,
      found: runtime < 0 ? "off (-1)" : "\(runtime) of \(period) µs", wanted: wanted,
      remedy: isGood ? "" : "sysctl kernel.sched_rt_runtime_us=950000 (the default), in /etc/sysctl.d/")
  }

  private static func governor() -> PrivilegeFinding {
    var governors: Set<String> = []
    for cpu in 0..<max(sysconf(Int32(_SC_NPROCESSORS_CONF)), 1) {
      let path = "/sys/devices/system/cpu/cpu\(cpu)/cpufreq/scaling_governor"
      if let governor = SystemFile.readLine(path) { governors.insert(governor) }
    }
    let isGood = governors == ["performance"]
    return PrivilegeFinding(
      subject: "cpu-governor", status: governors.isEmpty ? .unknown : isGood ? .met : .advised,
      found: governors.isEmpty ? "no frequency scaling visible" : governors.sorted().joined(separator: ", "),
      wanted: "performance",
      remedy: governors.isEmpty || isGood
        ? ""
        : "cpupower frequency-set -g performance, or the kernel parameter cpufreq.default_governor=performance"
    )
  }

  private static func isolation() -> PrivilegeFinding {
    let isolated = SystemFile.readLine("/sys/devices/system/cpu/isolated")
    let isGood = isolated?.isEmpty == false
    return PrivilegeFinding(
      subject: "isolated-cpus", status: isolated == nil ? .unknown : isGood ? .met : .advised,
      found: isolated.map { $0.isEmpty ? "none" : $0 } ?? "unreadable",
      wanted: "the loop's CPU kept free of other work",
      remedy: isGood
        ? ""
        : "kernel parameters isolcpus=managed_irq,domain,3 nohz_full=3 rcu_nocbs=3 irqaffinity=0-2 (for CPU 3 of 4)"
    )
  }

  private static func softLimit(_ resource: Int32) -> UInt64? {
    var soft: UInt64 = 0
    var hard: UInt64 = 0
    return crealtime_get_limit(resource, &soft, &hard) == 0 ? soft : nil
  }
}

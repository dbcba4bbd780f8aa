import Glibc

/// What did not hold. The program has one thread that writes it.
nonisolated(unsafe) var findings: [String] = []

func require(_ holds: Bool, _ finding: @autoclosure () -> String) {
  if !holds { findings.append(finding()) }
}

func complain(_ text: String) {
  let line = text + "\n"
  _ = write(STDERR_FILENO, line, line.utf8.count)
}

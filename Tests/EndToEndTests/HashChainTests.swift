import Foundation
import Testing

extension EndToEnd {
  @Suite("Hash chain of a recording")
  struct HashChainTests {
    private let bench: TestBench

    init() throws { bench = try TestBench() }

    /// The program that docs/recording.md prints, as a file.
    private func documentedProgram() throws -> String {
      let text = try String(contentsOfFile: Repository.root + "/docs/recording.md", encoding: .utf8)
      let blocks = text.components(separatedBy: "```python\n").dropFirst()
      let program = try #require(blocks.first?.components(separatedBy: "```\n").first)
      try #require(blocks.count == 1 && program.contains("hash_sha512"))
      let path = bench.path("chain.py")
      try program.write(toFile: path, atomically: true, encoding: .utf8)
      return path
    }

    @Test("anyone recomputes it with Python's own library by the page that describes it, and finds a change")
    func recomputed() throws {
      let program = try documentedProgram()
      let python = try #require(Repository.installed("python3"))
      let data = try bench.virtualRun("run", seconds: 70, seed: 5)
      let run = try #require(try FileManager.default.contentsOfDirectory(atPath: data).first)
      let events = "\(data)/\(run)/events.sqlite"
      let verified = try bench.motorhand("log", "verify", data)
      #expect(verified.status == 0, "\(verified.output)")
      let fits = try bench.run(python, [program, events])
      #expect(fits.status == 0, "\(fits.errors)")
      let head = try #require(fits.output.split(separator: "\n").last).split(separator: " ")
      #expect(
        verified.output.contains("whole, \(head[0]) events, head \(head[0]) \(head[1])"), "\(verified.output)"
      )
      let kinds = Set(try bench.query(events, "SELECT DISTINCT kind FROM event").flatMap { $0 })
      #expect(kinds.isSuperset(of: ["in-force", "command", "agp", "segment", "summary"]), "\(kinds)")
      let commands = try bench.query(events, "SELECT text FROM event WHERE kind = 'command'")
      #expect(commands.contains { $0[0].contains("pose") && $0[0].contains("by script") }, "\(commands)")

      let anchored = try bench.motorhand("log", "verify", data, "--head", String(head[1]))
      #expect(anchored.status == 0 && anchored.output.contains("with the given head"))
      let shell = try #require(Repository.installed("sqlite3"), "sqlite3 is not installed")
      #expect(
        try bench.run(shell, [events, "UPDATE event SET text = text || '!' WHERE number = 4"]).status == 0)
      let broken = try bench.run(python, [program, events])
      #expect(broken.status == 1 && broken.output.contains("event 4 does not fit"), "\(broken.output)")
      let found = try bench.motorhand("log", "verify", data)
      #expect(found.status == 2 && found.output.contains("broken at event 4"), "\(found.output)")
    }

    @Test("a daemon's journal has the head that its recording ends with")
    func journal() throws {
      let daemon = try TestDaemon(bench)
      let run = try daemon.status().runID
      try daemon.execute("arm")
      #expect(try daemon.terminate() == 0)
      let last = try #require(
        try bench.query(
          daemon.events(boot: run), "SELECT number, hash_sha512 FROM event ORDER BY number DESC LIMIT 1"
        ).first)
      #expect(daemon.program.errors.contains("chain head \(last[0]) \(last[1])"), "\(daemon.program.errors)")
    }
  }
}

import Glibc
import Testing

@testable import Service

@Suite("Service manager")
struct ServiceManagerTests {
  @Test("a message is one datagram of lines, to a path and to an abstract name", arguments: [true, false])
  func notify(abstract: Bool) throws {
    let name =
      abstract ? abstractName() : "/tmp/motorhand-notify-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    let receiver = try DatagramReceiver(name)
    let manager = try #require(ServiceManager { $0 == "NOTIFY_SOCKET" ? name : nil })
    #expect(manager.notify(["READY=1", "STATUS=idle"]))
    #expect(receiver.text() == "READY=1\nSTATUS=idle")
    #expect(receiver.text() == nil)
    #expect(manager.watchdogNanoseconds == nil)
  }

  @Test("a manager that is gone costs nothing but the message")
  func gone() throws {
    let name = abstractName()
    let manager = try #require(ServiceManager { $0 == "NOTIFY_SOCKET" ? name : nil })
    #expect(!manager.notify(["READY=1"]))
    let receiver = try DatagramReceiver(name)
    #expect(manager.notify(["READY=1"]))
    #expect(receiver.text() == "READY=1")
  }

  @Test("a manager that does not read never makes the sender wait")
  func full() throws {
    let name = abstractName()
    let receiver = try DatagramReceiver(name)
    let manager = try #require(ServiceManager { $0 == "NOTIFY_SOCKET" ? name : nil })
    var sent = 0
    // net.unix.max_dgram_qlen is 10 or 512 on the kernels we know; without an end this test would hang.
    while sent < 100_000, manager.notify(["WATCHDOG=1"]) { sent += 1 }
    #expect((1..<100_000).contains(sent))
    #expect(receiver.text() == "WATCHDOG=1")
    #expect(manager.notify(["WATCHDOG=1"]))
  }

  @Test(
    "without a usable socket there is no manager",
    arguments: ["", "relative", "@", "/" + String(repeating: "x", count: 107)])
  func none(name: String) {
    #expect(ServiceManager { $0 == "NOTIFY_SOCKET" && !name.isEmpty ? name : nil } == nil)
  }

  @Test("the watchdog's limit is taken unless it is meant for another process or is no number")
  func watchdog() throws {
    func limit(_ microseconds: String, pid: String?) -> Int64? {
      ServiceManager {
        switch $0 {
        case "NOTIFY_SOCKET": "@motorhand-nobody"
        case "WATCHDOG_USEC": microseconds
        case "WATCHDOG_PID": pid
        default: nil
        }
      }?.watchdogNanoseconds
    }
    #expect(limit("2000000", pid: nil) == 2_000_000_000)
    #expect(limit("2000000", pid: "\(getpid())") == 2_000_000_000)
    #expect(limit("2000000", pid: "1") == nil)
    #expect(limit("0", pid: nil) == nil)
    #expect(limit("9223372036854775807", pid: nil) == nil)
    #expect(limit("soon", pid: nil) == nil)
  }
}

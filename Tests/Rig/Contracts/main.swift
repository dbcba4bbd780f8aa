// Runs every driver's contract on a bus of the kernel whose chips are i2c-stub's, and an absent chip's error.
// Usage: rig-contracts DEVICE, where the stub was loaded with the addresses of DeviceContract.all.
// Exit code 1: a driver does not keep its contract; 64: wrong arguments.
import DeviceContracts
import Devices
import Glibc
import LinuxIO

/// Nobody of the stub answers there: no contract's address.
let absentAddress = I2CAddress(0x50)

func run(device: String) throws -> [String] {
  let bus: any I2CBus = try LinuxI2CBus(name: "rig", device: device)
  var findings: [String] = []
  for contract in DeviceContract.all {
    try contract.preloadStub(on: bus)
    findings += contract.findings(on: bus).map { "\(contract): \($0)" }
  }
  do throws(I2CError) {
    _ = try bus.readByte(absentAddress)
    findings.append("\(absentAddress) answered, expected nobody there")
  } catch {
    if error.failure != .nack { findings.append("\(absentAddress): found \(error.failure), expected nack") }
  }
  return findings
}

func complain(_ text: String) {
  let line = text + "\n"
  _ = write(STDERR_FILENO, line, line.utf8.count)
}

guard CommandLine.arguments.count == 2 else {
  complain("usage: rig-contracts DEVICE")
  exit(64)
}
let findings: [String]
do {
  findings = try run(device: CommandLine.arguments[1])
} catch {
  findings = ["\(error)"]
}
findings.forEach(complain)
if !findings.isEmpty { exit(1) }
let chips = DeviceContract.all.map(\.chip).joined(separator: " ")
print("\(DeviceContract.all.count) drivers: \(chips); an absent chip is a nack")

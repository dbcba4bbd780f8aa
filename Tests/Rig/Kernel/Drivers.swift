import DeviceContracts
import Devices
import HandModel
import LinuxIO

/// Every driver's contract, transfers of each kind, and the error of an absent chip.
func checkDrivers(device: String) throws -> String {
  let bus = try LinuxI2CBus(name: "rig", device: device)
  for contract in DeviceContract.all {
    try contract.preloadStub(on: bus)
    findings += contract.findings(on: bus).map { "\(contract): \($0)" }
  }
  try checkTransfers(bus)
  // Nobody of the stub answers there: no contract's address.
  let absent = I2CAddress(0x50)
  do throws(I2CError) {
    _ = try bus.readByte(absent)
    findings.append("\(absent) answered, expected nobody there")
  } catch {
    // ENODEV is i2c-stub's (drivers/i2c/i2c-stub.c).
    require(
      error.failure == .nack && error.errno == 19 && error.adapter.contains("SMBus stub driver"),
      "\(absent): found \(error), expected a nack with errno 19 on the SMBus stub driver")
  }
  _ = try bus.readByte(I2CAddress(0x36))
  return "\(DeviceContract.all.count) drivers: \(DeviceContract.all.map(\.chip).joined(separator: " ")); "
    + "bytes, words and blocks; an absent chip is a nack"
}

/// Bytes come back as written, words low byte first.
private func checkTransfers(_ bus: LinuxI2CBus) throws {
  let chip = I2CAddress(0x36)
  try bus.writeByteData(chip, register: 0x20, 0xA5)
  require(try bus.readByteData(chip, register: 0x20) == 0xA5, "a byte did not come back as written")
  try bus.writeWordData(chip, register: 0x30, 0x1234)
  require(try bus.readWordData(chip, register: 0x30) == 0x1234, "a word did not come back as written")
  require(try bus.readByteData(chip, register: 0x30) == 0x34, "a word's low byte is not the first")
  let sent = [UInt8](1...32)
  try bus.writeBlock(chip, register: 0x40, sent.span)
  var received = [UInt8](repeating: 0, count: 32)
  var span = received.mutableSpan
  try bus.readBlock(chip, register: 0x40, into: &span)
  require(received == sent, "a block came back as \(received)")
  // The stub's pointer: a byte written sets it, a byte read returns the register there.
  try bus.writeByte(chip, 0x20)
  require(try bus.readByte(chip) == 0xA5, "a byte written did not set the pointer")
}

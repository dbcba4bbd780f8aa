// Holds drivers, lines and PWM channels to what they promise, on the kernel of the rig's guest. Each part prints
// its figures, or every finding to the error output with exit code 1; 64 is a wrong call.
import Devices
import Glibc
import HandModel

let usage = """
  usage: rig-kernel drivers BUS              BUS: /dev/i2c-N of an i2c-stub with the addresses of DeviceContract.all
         rig-kernel lines LABEL LINE SIM     SIM: the gpio-sim line's directory, with the files pull and value
         rig-kernel pwm DEVICE BUS ADDRESS   DEVICE: end of the path of the kernel's PCA9685 at ADDRESS of the stub
  """

func parts(_ arguments: [String]) throws -> String? {
  switch (arguments.first, arguments.count) {
  case ("drivers", 2): try checkDrivers(device: arguments[1])
  case ("lines", 4): try checkLines(label: arguments[1], line: arguments[2], simulation: arguments[3])
  case ("pwm", 4):
    try checkPWM(
      device: arguments[1], bus: arguments[2], address: I2CAddress(UInt8(arguments[3], radix: 16) ?? 0))
  default: nil
  }
}

let figures: String?
do {
  figures = try parts(Array(CommandLine.arguments.dropFirst()))
} catch {
  complain("\(error)")
  exit(1)
}
guard let figures else {
  complain(usage)
  exit(64)
}
findings.forEach(complain)
if !findings.isEmpty { exit(1) }
print(figures)

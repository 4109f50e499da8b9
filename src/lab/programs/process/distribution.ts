import { readFileSync } from "node:fs";

/** Families of distributions that name packages alike. */
export type Distribution = "debian" | "fedora" | "centos";

export const distributionTitles: Readonly<Record<Distribution, string>> = {
  debian: "Debian/Ubuntu",
  fedora: "Fedora",
  centos: "CentOS",
};

/**
 * The packages that bring something, as arguments of the package manager; undefined if there are
 * none.
 */
export type Packages = Readonly<Record<Distribution, string | undefined>>;

export interface InstallLine {
  readonly distribution: Distribution;
  /** The command that installs it; undefined where no package has it. */
  readonly command: string | undefined;
}

/** Returns the family of distributions for the text of an os-release file. */
export function parseDistribution(osRelease: string): Distribution | undefined {
  const field = (name: string): string =>
    new RegExp(`^${name}=["']?([^"'\n]*)`, "m").exec(osRelease)?.[1] ?? "";
  const words = [field("ID"), ...field("ID_LIKE").split(" ")];
  if (words.some((word) => word === "debian" || word === "ubuntu")) return "debian";
  // CentOS, Rocky and Alma are "like" Fedora, too.
  if (words.some((word) => word === "centos" || word === "rhel")) return "centos";
  return words.includes("fedora") ? "fedora" : undefined;
}

/** The distribution that this process runs on. */
export function thisDistribution(): Distribution | undefined {
  try {
    return parseDistribution(readFileSync("/etc/os-release", "utf8"));
  } catch {
    return undefined;
  }
}

/** One line a distribution, the running one's first. */
export function installLines(packages: Packages, running = thisDistribution()): InstallLine[] {
  const all: readonly Distribution[] = ["debian", "fedora", "centos"];
  const order = [...all].sort((a, b) => Number(b === running) - Number(a === running));
  return order.map((distribution) => {
    const names = packages[distribution];
    if (names === undefined) return { distribution, command: undefined };
    const manager =
      distribution === "debian"
        ? "sudo apt-get install -y"
        : distribution === "centos" && names.startsWith("epel:")
          ? "sudo dnf install -y epel-release && sudo dnf install -y"
          : "sudo dnf install -y";
    return { distribution, command: `${manager} ${names.replace(/^epel:/, "")}` };
  });
}

/** The lines as text, e.g. for an error message. */
export function installText(packages: Packages): string {
  return installLines(packages)
    .map(({ distribution, command }) => {
      return `    ${distributionTitles[distribution]}: ${command ?? "not packaged"}`;
    })
    .join("\n");
}

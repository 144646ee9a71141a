<#
.SYNOPSIS
Builds fleetd from this checkout and installs it for one user. Asks nothing, and may be run again at any time.

.DESCRIPTION
Installs PREFIX\bin\fleetd.exe. Needs git 2.25 or later and, for the build, either npm or the version of Bun named in
package.json. Exit codes: 0 done, 64 wrong usage, 69 something needed is missing, 70 the build failed, 73 cannot write
to the folder.

.PARAMETER Prefix
Where to install; by default FLEETD_PREFIX, else the folder fleetd below LOCALAPPDATA.

.PARAMETER Quickstart
End with "fleetd quickstart".

.PARAMETER Uninstall
Remove PREFIX\bin\fleetd.exe and nothing else.

.EXAMPLE
.\install.ps1 -Quickstart
#>
[CmdletBinding(PositionalBinding = $false)]
param(
    [string]$Prefix = $env:FLEETD_PREFIX,
    [switch]$Quickstart,
    [switch]$Uninstall,
    [switch]$Help,
    [Parameter(ValueFromRemainingArguments = $true)]
    [string[]]$Rest
)

Set-StrictMode -Version 2.0
# Not "Stop": PowerShell 5.1 takes every line a program writes to stderr for an error. What must succeed says so itself.
$ErrorActionPreference = 'Continue'

function Stop-Install([int]$Code, [string[]]$Message) {
    foreach ($line in $Message) { [Console]::Error.WriteLine($line) }
    exit $Code
}

function Find-Program([string]$Name) {
    $found = Get-Command $Name -CommandType Application -ErrorAction SilentlyContinue | Select-Object -First 1
    if ($null -eq $found) { return $null }
    return $found.Path
}

function Assert-Usage {
    if ($Rest) {
        $hint = 'Try .\install.ps1 -Help.'
        if ($Rest[0] -match '^-*q') { $hint = 'Did you mean -Quickstart?' }
        if ($Rest[0] -match '^-*p') { $hint = 'Did you mean -Prefix DIR?' }
        if ($Rest[0] -match '^-*(u|r)') { $hint = 'Did you mean -Uninstall?' }
        Stop-Install 64 @("Cannot install: `"$($Rest[0])`" is no parameter of install.ps1.", $hint)
    }
    if ($Quickstart -and $Uninstall) {
        Stop-Install 64 @('Cannot install: found -Quickstart and -Uninstall, only one is possible.')
    }
}

function Get-BinFolder {
    $folder = $Prefix
    if (-not $folder) {
        if (-not $env:LOCALAPPDATA) {
            Stop-Install 64 @('Cannot install: LOCALAPPDATA is not set, -Prefix DIR is needed.')
        }
        $folder = Join-Path $env:LOCALAPPDATA 'fleetd'
    }
    $absolute = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($folder)
    return Join-Path $absolute 'bin'
}

function Assert-Checkout {
    $manifest = Join-Path $PSScriptRoot 'package.json'
    if (-not (Test-Path $manifest) -or -not (Select-String -Quiet -SimpleMatch '"name": "fleetd"' $manifest)) {
        Stop-Install 69 @(
            "Cannot install fleetd: $PSScriptRoot is not a checkout of fleetd, and install.ps1 builds from source.",
            'Clone the repository and run .\install.ps1 inside it.'
        )
    }
}

function Assert-Git {
    if (-not (Find-Program 'git')) {
        Stop-Install 69 @(
            'Cannot install fleetd: git is not on PATH, version 2.25 or later is needed.',
            'Install Git for Windows and start again.'
        )
    }
    $line = [string](& git --version)
    if ($line -notmatch '^git version (\d+)\.(\d+)') {
        Stop-Install 69 @('Cannot install fleetd: "git --version" names no version, 2.25 or later is needed.')
    }
    if ([version]"$($Matches[1]).$($Matches[2])" -lt [version]'2.25') {
        Stop-Install 69 @("Cannot install fleetd: git is version $($Matches[1]).$($Matches[2]), 2.25 or later is needed.")
    }
}

function Test-Bun([string]$Path, [string]$Version) {
    if (-not $Path -or -not (Test-Path $Path)) { return $false }
    return ([string](& $Path --version 2>$null)) -eq $Version
}

# The Bun on PATH, npm's in .tools, or the executable npm unpacked for this machine.
function Find-Bun([string]$Version) {
    $tools = Join-Path $PSScriptRoot '.tools\node_modules'
    $candidates = @(
        (Find-Program 'bun.exe'),
        (Join-Path $tools 'bun\bin\bun.exe'),
        (Join-Path $tools '@oven\bun-windows-x64\bin\bun.exe'),
        (Join-Path $tools '@oven\bun-windows-aarch64\bin\bun.exe')
    )
    foreach ($candidate in $candidates) {
        if (Test-Bun $candidate $Version) { return $candidate }
    }
    return $null
}

function Install-Bun([string]$Version) {
    if (-not (Find-Program 'npm')) {
        Stop-Install 69 @(
            "Cannot install Bun ${Version}: no npm on PATH, one is needed.",
            "Install Node.js with npm, or Bun $Version itself, and start again."
        )
    }
    $tools = Join-Path $PSScriptRoot '.tools'
    # npm takes a half or older installation for a whole one.
    Remove-Item -Recurse -Force (Join-Path $tools 'node_modules') -ErrorAction SilentlyContinue
    New-Item -ItemType Directory -Force $tools | Out-Null
    Set-Content -Encoding Ascii (Join-Path $tools 'package.json') '{"private": true}'
    Push-Location $tools
    & npm install --ignore-scripts --no-audit --no-fund --save-exact "bun@$Version" | Out-Host
    $code = $LASTEXITCODE
    if ($code -eq 0) { & node node_modules\bun\install.js | Out-Host }
    Pop-Location
    if ($code -ne 0) { Stop-Install 69 @("Cannot install Bun ${Version}: npm failed, see above.") }
}

function Get-Bun {
    $manifest = Get-Content -Raw (Join-Path $PSScriptRoot 'package.json') | ConvertFrom-Json
    $version = $manifest.packageManager -replace '^bun@', ''
    $bun = Find-Bun $version
    if ($bun) { return $bun }
    Install-Bun $version
    $bun = Find-Bun $version
    if (-not $bun) {
        Stop-Install 69 @("Cannot run Bun ${version}: it was installed into .tools and does not start.")
    }
    return $bun
}

function Build-Executable([string]$Bun) {
    Push-Location $PSScriptRoot
    if (Find-Program 'npm') {
        $registry = [string](& npm config get registry)
        if ($registry -like 'http*') { $env:BUN_CONFIG_REGISTRY = $registry }
    }
    & $Bun install --frozen-lockfile | Out-Host
    $installed = $LASTEXITCODE
    if ($installed -eq 0) { & $Bun scripts/build.ts --single | Out-Host }
    $built = $LASTEXITCODE
    Pop-Location
    if ($installed -ne 0) { Stop-Install 69 @('Cannot install the packages: bun failed, see above.') }
    if ($built -ne 0) { Stop-Install 70 @('Cannot build fleetd: see above.') }
}

# Windows does not let go of the file of a running program, but lets it be renamed.
function Install-Executable([string]$Bin) {
    $target = Join-Path $Bin 'fleetd.exe'
    $fresh = Join-Path $Bin "fleetd.$PID.exe"
    $old = Join-Path $Bin "fleetd.$PID.old"
    try {
        New-Item -ItemType Directory -Force $Bin -ErrorAction Stop | Out-Null
        Remove-Item (Join-Path $Bin 'fleetd.*.old') -ErrorAction SilentlyContinue
        Copy-Item (Join-Path $PSScriptRoot 'dist\fleetd.exe') $fresh -ErrorAction Stop
    } catch {
        Stop-Install 73 @("Cannot write to ${Bin}: $($_.Exception.Message)")
    }
    $version = [string](& $fresh --version)
    if ($LASTEXITCODE -ne 0) {
        Remove-Item $fresh
        Stop-Install 70 @('Cannot install fleetd: the new executable does not start, see above.')
    }
    try {
        if (Test-Path $target) { Move-Item $target $old -ErrorAction Stop }
        Move-Item $fresh $target -ErrorAction Stop
    } catch {
        if ((Test-Path $old) -and -not (Test-Path $target)) { Move-Item $old $target }
        Stop-Install 73 @("Cannot replace ${target}: $($_.Exception.Message)")
    }
    # Fails while the old one still runs; the next installation takes it away.
    Remove-Item $old -ErrorAction SilentlyContinue
    Write-Output "Installed fleetd $version as $target."
}

function Write-NextStep([string]$Bin) {
    if (($env:PATH -split ';') -notcontains $Bin) {
        [Console]::Error.WriteLine("Warning: $Bin is not on PATH. Add it for this user with:")
        $command = "[Environment]::SetEnvironmentVariable('PATH', " +
            "[Environment]::GetEnvironmentVariable('PATH', 'User') + ';$Bin', 'User')"
        [Console]::Error.WriteLine("  $command")
    }
    if (-not $Quickstart) { Write-Output 'Go on with "fleetd quickstart", or see "fleetd --help".' }
}

function Uninstall-Executable([string]$Bin) {
    $target = Join-Path $Bin 'fleetd.exe'
    if (-not (Test-Path $target)) {
        Write-Output "Nothing to do: there is no $target."
        return
    }
    try {
        Remove-Item $target -ErrorAction Stop
    } catch {
        Stop-Install 73 @("Cannot remove ${target}: $($_.Exception.Message)")
    }
    Write-Output "Removed $target. Settings and state were left alone."
}

if ($Help) {
    Get-Help $PSCommandPath -Detailed
    exit 0
}
Assert-Usage
$bin = Get-BinFolder
if ($Uninstall) {
    Uninstall-Executable $bin
    exit 0
}
Assert-Checkout
Assert-Git
Build-Executable (Get-Bun)
Install-Executable $bin
Write-NextStep $bin
if ($Quickstart) {
    & (Join-Path $bin 'fleetd.exe') quickstart
    exit $LASTEXITCODE
}

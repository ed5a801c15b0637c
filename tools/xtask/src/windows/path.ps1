# Adds a folder to this computer's search path, or removes it; for the installer.
# The entries stay as they are written: %SystemRoot% is not replaced by its value.
param([ValidateSet('add', 'remove')][string]$what, [string]$folder)
$ErrorActionPreference = 'Stop'
$key = [Microsoft.Win32.Registry]::LocalMachine.OpenSubKey(
    'SYSTEM\CurrentControlSet\Control\Session Manager\Environment', $true)
$path = [string]$key.GetValue('Path', '', 'DoNotExpandEnvironmentNames')
$entries = @($path -split ';' | Where-Object { $_ -and $_.TrimEnd('\') -ne $folder.TrimEnd('\') })
if ($what -eq 'add') { $entries += $folder }
$changed = $entries -join ';'
if ($changed -ne $path) {
    $key.SetValue('Path', $changed, 'ExpandString')
    # Setting any variable by this call tells running programs that there are new ones.
    [Environment]::SetEnvironmentVariable('AES67_INSTALLER', $null, 'Machine')
}

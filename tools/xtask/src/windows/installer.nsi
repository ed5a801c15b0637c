; The installer of the Windows release, made by `cargo xtask windows`.
;
; FILES is the release folder, REMOVAL a list of instructions that remove what is in it, OUTPUT the
; installer, VERSION the version.
; Silent: aes67-0.1.0-setup.exe /S [/D=C:\folder], and "Uninstall.exe" /S.

; A program of 64 bits, as what it installs.
Target amd64-unicode
ManifestDPIAware true
RequestExecutionLevel admin
SetCompressor /SOLID lzma

!include "MUI2.nsh"
!include "LogicLib.nsh"

!define UNINSTALL_KEY "Software\Microsoft\Windows\CurrentVersion\Uninstall\AES67"
!define RULE "AES67 (aes67.exe)"

Name "AES67 ${VERSION}"
OutFile "${OUTPUT}"
InstallDir "$PROGRAMFILES64\AES67"
InstallDirRegKey HKLM "${UNINSTALL_KEY}" "InstallLocation"

!insertmacro MUI_PAGE_LICENSE "${FILES}/LICENSE"
!insertmacro MUI_PAGE_COMPONENTS
!insertmacro MUI_PAGE_DIRECTORY
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "English"

Section "Programs, libraries, examples" SectionFiles
  SectionIn RO
  SetOutPath "$INSTDIR"
  File /r /x linux-x64 "${FILES}/*"
  File "path.ps1"
  WriteUninstaller "$INSTDIR\Uninstall.exe"
  WriteRegStr HKLM "${UNINSTALL_KEY}" "DisplayName" "AES67 ${VERSION}"
  WriteRegStr HKLM "${UNINSTALL_KEY}" "DisplayVersion" "${VERSION}"
  WriteRegStr HKLM "${UNINSTALL_KEY}" "InstallLocation" "$INSTDIR"
  WriteRegStr HKLM "${UNINSTALL_KEY}" "UninstallString" '"$INSTDIR\Uninstall.exe"'
  WriteRegStr HKLM "${UNINSTALL_KEY}" "QuietUninstallString" '"$INSTDIR\Uninstall.exe" /S'
  WriteRegDWORD HKLM "${UNINSTALL_KEY}" "NoModify" 1
  WriteRegDWORD HKLM "${UNINSTALL_KEY}" "NoRepair" 1
SectionEnd

Section "Firewall rule: aes67.exe may receive UDP" SectionFirewall
  ; One rule, however often it is installed.
  nsExec::ExecToLog 'netsh advfirewall firewall delete rule name="${RULE}"'
  Pop $0
  nsExec::ExecToLog 'netsh advfirewall firewall add rule name="${RULE}" dir=in action=allow protocol=udp program="$INSTDIR\windows-x64\aes67.exe" enable=yes profile=any'
  Pop $0
  ${If} $0 != 0
    DetailPrint "Windows did not take the firewall rule ($0): windows.md says how to set it by hand."
  ${EndIf}
SectionEnd

Section /o "Add to the search path (PATH)" SectionPath
  ; By PowerShell, because texts of this installer end after 1024 characters, and PATH may be longer.
  nsExec::ExecToLog 'powershell -NoProfile -ExecutionPolicy Bypass -File "$INSTDIR\path.ps1" add "$INSTDIR\windows-x64"'
  Pop $0
  ${If} $0 != 0
    DetailPrint "PATH was not changed ($0)."
  ${EndIf}
SectionEnd

!insertmacro MUI_FUNCTION_DESCRIPTION_BEGIN
  !insertmacro MUI_DESCRIPTION_TEXT ${SectionFiles} "aes67.exe, sim.exe, the BASS libraries, their headers and examples."
  !insertmacro MUI_DESCRIPTION_TEXT ${SectionFirewall} "Without it Windows keeps multicast from aes67.exe."
  !insertmacro MUI_DESCRIPTION_TEXT ${SectionPath} "So that a console finds aes67 in any folder."
!insertmacro MUI_FUNCTION_DESCRIPTION_END

Section "Uninstall"
  nsExec::ExecToLog 'netsh advfirewall firewall delete rule name="${RULE}"'
  Pop $0
  nsExec::ExecToLog 'powershell -NoProfile -ExecutionPolicy Bypass -File "$INSTDIR\path.ps1" remove "$INSTDIR\windows-x64"'
  Pop $0
  !include "${REMOVAL}"
  Delete "$INSTDIR\path.ps1"
  Delete "$INSTDIR\Uninstall.exe"
  RMDir "$INSTDIR"
  DeleteRegKey HKLM "${UNINSTALL_KEY}"
SectionEnd
